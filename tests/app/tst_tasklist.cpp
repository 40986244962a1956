#include "app/tasklist.h"

#include <QTest>

using namespace millrace;

namespace {

TaskDescription described(const char *name, const char *help)
{
    TaskDescription task;
    task.name = name;
    task.help = help;
    return task;
}

ParameterDescription parameter(const char *name, ParameterType type, ParameterValue initial)
{
    ParameterDescription result;
    result.name = name;
    result.type = type;
    result.initial = std::move(initial);
    result.minimum = -1;
    result.maximum = 1e13;
    result.choices = {"call", "put"};
    result.help = "What it is.";
    return result;
}

QString entryOf(const ParameterDescription &description)
{
    TaskDescription task = described("t", "H.");
    task.parameters = {description};
    return taskListText({task}).section(QLatin1Char('\n'), 1);
}

} // namespace

class TestTaskList : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void noTasksAreNoText() { QCOMPARE(taskListText({}), QString()); }

    void tasksAreApartByAnEmptyLine()
    {
        QCOMPARE(taskListText({described("a", "First."), described("b", "Second.")}),
                 QStringLiteral("a: First.\n\nb: Second.\n"));
    }

    void parameterIsShownAsSetTakesIt_data()
    {
        QTest::addColumn<int>("type");
        QTest::addColumn<QString>("entry");

        QTest::newRow("number") << int(ParameterType::Number)
                                << "  p=0.1                What it is. (-1 to 10000000000000)\n";
        QTest::newRow("integer") << int(ParameterType::Integer)
                                 << "  p=7                  What it is. (-1 to 10000000000000, whole)\n";
        QTest::newRow("switch") << int(ParameterType::Switch)
                                << "  p=off                What it is. (on or off)\n";
        QTest::newRow("choice") << int(ParameterType::Choice)
                                << "  p=call               What it is. (call or put)\n";
        QTest::newRow("text") << int(ParameterType::Text) << "  p=                   What it is. (text)\n";
    }

    void parameterIsShownAsSetTakesIt()
    {
        QFETCH(int, type);
        QFETCH(QString, entry);
        const std::map<ParameterType, ParameterValue> initials = {
            {ParameterType::Number, 0.1},
            {ParameterType::Integer, std::int64_t(7)},
            {ParameterType::Switch, false},
            {ParameterType::Choice, std::string("call")},
            {ParameterType::Text, std::string()}};

        QCOMPARE(entryOf(parameter("p", ParameterType(type), initials.at(ParameterType(type)))), entry);
    }

    void unitIsShown()
    {
        ParameterDescription description = parameter("maturity", ParameterType::Number, 0.5);
        description.unit = "years";

        QCOMPARE(entryOf(description),
                 QStringLiteral("  maturity=0.5         What it is. (-1 to 10000000000000; years)\n"));
    }

    void longHelpIsBrokenBetweenWordsUnderItself()
    {
        ParameterDescription description = parameter("p", ParameterType::Text, std::string());
        description.help = QStringLiteral("word ").repeated(60).trimmed().toStdString();

        const QStringList lines = entryOf(description).split(QLatin1Char('\n'), Qt::SkipEmptyParts);

        QVERIFY(lines.size() > 3);
        for (const QString &line : lines)
            QVERIFY2(line.size() < 80, qPrintable(line));
        for (const QString &line : lines.mid(1))
            QVERIFY(line.startsWith(QString(23, QLatin1Char(' ')) + QStringLiteral("word")));
    }

    void wordThatIsTooLongIsNotCut()
    {
        const QString word(200, QLatin1Char('x'));

        QVERIFY(taskListText({described("a", word.toLatin1())}).contains(word));
    }
};

QTEST_GUILESS_MAIN(TestTaskList)
#include "tst_tasklist.moc"
