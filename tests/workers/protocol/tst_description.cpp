#include "workers/protocol/description.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>

using namespace millrace;

namespace {

ParameterDescription parameter(const std::string &name, ParameterType type, ParameterValue initial,
                               double minimum = 0, double maximum = 0)
{
    ParameterDescription result;
    result.name = name;
    result.title = "The " + name;
    result.type = type;
    result.unit = "m/s²";
    result.initial = std::move(initial);
    result.minimum = minimum;
    result.maximum = maximum;
    result.help = "Says \"what\" it is.\n<b>";
    if (type == ParameterType::Choice)
        result.choices = {"call", "put", ""};
    return result;
}

std::vector<TaskDescription> tasks()
{
    constexpr double exactMax = 9007199254740992.0; // 2^53
    TaskDescription full{"all-types-2", "Größe", "One sentence.", Access::System, {}};
    full.parameters = {
        parameter("number", ParameterType::Number, 0.1, -1e308, 1e308),
        parameter("tiny", ParameterType::Number, 5e-324, 0, 5e-324),
        parameter("integer", ParameterType::Integer, std::int64_t(-7), -exactMax, exactMax),
        parameter("large", ParameterType::Integer, std::int64_t(1) << 53, 0, exactMax),
        parameter("text", ParameterType::Text, std::string("größer \"x\"")),
        parameter("choice", ParameterType::Choice, std::string("put")),
        parameter("switch", ParameterType::Switch, true),
    };
    return {full, {"plain", "", "", Access::Compute, {}}};
}

std::string refusal(const QByteArray &json)
{
    const auto result = readTasks(json);
    const auto *sentence = std::get_if<std::string>(&result);
    return sentence ? *sentence : std::string();
}

QByteArray json(const QJsonArray &list)
{
    const QJsonObject object{{QStringLiteral("millrace"), 1}, {QStringLiteral("tasks"), list}};
    return QJsonDocument(object).toJson();
}

/// The first of tasks(), with `key` of its parameter `index` set to `value` (left out if undefined).
QByteArray withParameter(int index, const QString &key, const QJsonValue &value)
{
    QJsonObject task = QJsonDocument::fromJson(describeTasks(tasks()))[QStringLiteral("tasks")][0].toObject();
    QJsonArray parameters = task[QStringLiteral("parameters")].toArray();
    QJsonObject changed = parameters[index].toObject();
    changed.insert(key, value); // an undefined value removes the key
    parameters[index] = changed;
    task[QStringLiteral("parameters")] = parameters;
    return json({task});
}

QByteArray withTask(const QString &key, const QJsonValue &value)
{
    QJsonObject task = QJsonDocument::fromJson(describeTasks(tasks()))[QStringLiteral("tasks")][0].toObject();
    task.insert(key, value);
    return json({task});
}

const QJsonValue missing(QJsonValue::Undefined);

} // namespace

class TestDescription : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void tasksAreReadBackAsWritten()
    {
        const auto result = readTasks(describeTasks(tasks()));

        QVERIFY2(std::holds_alternative<std::vector<TaskDescription>>(result),
                 refusal(describeTasks(tasks())).c_str());
        QVERIFY(std::get<std::vector<TaskDescription>>(result) == tasks());
    }

    void noTasksAreADescription()
    {
        const auto result = readTasks(describeTasks({}));

        QVERIFY(std::get<std::vector<TaskDescription>>(result).empty());
    }

    void unknownKeysArePassedOver()
    {
        QCOMPARE(refusal(withTask(QStringLiteral("future"), QJsonArray{1})), std::string());
        QCOMPARE(refusal(withParameter(0, QStringLiteral("future"), 7)), std::string());
    }

    void wrongKeyOfATaskIsNamed_data()
    {
        QTest::addColumn<QString>("key");
        QTest::addColumn<QJsonValue>("value");
        QTest::addColumn<QByteArray>("word"); // that the sentence has

        const auto row = [](const char *name, const char *key, const QJsonValue &value, const char *word) {
            QTest::newRow(name) << QString::fromUtf8(key) << value << QByteArray(word);
        };
        row("no name", "name", missing, "\"name\"");
        row("name is a number", "name", 7, "\"name\"");
        row("empty name", "name", QString(), "a name");
        row("name with a path", "name", QStringLiteral("../x"), "a name");
        row("name with a capital", "name", QStringLiteral("Task"), "a name");
        row("name with a line end", "name", QStringLiteral("task\n"), "a name");
        row("name begins with -", "name", QStringLiteral("-x"), "a name");
        row("long name", "name", QString(65, QLatin1Char('x')), "\"name\"");
        row("no title", "title", missing, "\"title\"");
        row("long title", "title", QString(5000, QLatin1Char('x')), "\"title\"");
        row("no help", "help", missing, "\"help\"");
        row("no access", "access", missing, "\"access\"");
        row("unknown access", "access", QStringLiteral("root"), "\"access\"");
        row("no parameters", "parameters", missing, "\"parameters\"");
        row("parameters are no list", "parameters", QJsonObject(), "\"parameters\"");
        row("parameter is no object", "parameters", QJsonArray{1}, "\"name\"");
        row("257 parameters", "parameters", QJsonArray::fromVariantList(QVariantList(257, 1)),
            "\"parameters\"");
    }

    void wrongKeyOfATaskIsNamed()
    {
        QFETCH(QString, key);
        QFETCH(QJsonValue, value);
        QFETCH(QByteArray, word);

        const std::string sentence = refusal(withTask(key, value));

        QVERIFY2(sentence.find(word.toStdString()) != std::string::npos, sentence.c_str());
    }

    void wrongKeyOfAParameterIsNamed_data()
    {
        QTest::addColumn<int>("index"); // of the parameter in tasks()
        QTest::addColumn<QString>("key");
        QTest::addColumn<QJsonValue>("value");
        QTest::addColumn<QByteArray>("word");

        const auto row = [](const char *name, int index, const char *key, const QJsonValue &value,
                            const char *word) {
            QTest::newRow(name) << index << QString::fromUtf8(key) << value << QByteArray(word);
        };
        row("no name", 0, "name", missing, "\"name\"");
        row("name with _", 0, "name", QStringLiteral("a_b"), "a name");
        row("name used twice", 0, "name", QStringLiteral("text"), "twice");
        row("no title", 0, "title", missing, "\"title\"");
        row("no unit", 0, "unit", missing, "\"unit\"");
        row("long unit", 0, "unit", QString(65, QLatin1Char('x')), "\"unit\"");
        row("no help", 0, "help", missing, "\"help\"");
        row("no type", 0, "type", missing, "\"type\"");
        row("unknown type", 0, "type", QStringLiteral("matrix"), "matrix");
        row("number: no initial", 0, "initial", missing, "\"initial\"");
        row("number: text", 0, "initial", QStringLiteral("1"), "\"initial\"");
        row("number: no minimum", 0, "minimum", missing, "\"minimum\"");
        row("number: no maximum", 0, "maximum", missing, "\"maximum\"");
        row("number: minimum is a text", 0, "minimum", QStringLiteral("0"), "\"minimum\"");
        row("number: maximum is null", 0, "maximum", QJsonValue(QJsonValue::Null), "\"maximum\"");
        row("number: nothing between", 0, "maximum", -1e308 * 1.5, "\"maximum\"");
        row("number: initial out of range", 1, "initial", 1, "initial value");
        row("integer: half", 2, "initial", 0.5, "\"initial\"");
        row("integer: beyond int64", 2, "initial", 1e300, "\"initial\"");
        row("integer: beyond float64", 2, "initial", 9007199254740994.0, "\"initial\"");
        row("integer: minimum beyond float64", 2, "minimum", -1e300, "\"minimum\"");
        row("integer: maximum beyond float64", 2, "maximum", 1e19, "\"maximum\"");
        row("text: number", 4, "initial", 7, "\"initial\"");
        row("text: NUL", 4, "initial", QString(QChar(0)), "initial value");
        row("text: long", 4, "initial", QString(70'000, QLatin1Char('x')), "initial value");
        row("choice: none of them", 5, "initial", QStringLiteral("swap"), "initial value");
        row("choice: no list", 5, "choices", missing, "\"choices\"");
        row("choice: no texts", 5, "choices", QJsonArray{1, QStringLiteral("put")}, "\"choices\"");
        row("choice: a long one", 5, "choices",
            QJsonArray{QStringLiteral("put"), QString(5000, QLatin1Char('x'))}, "\"choices\"");
        row("choice: 257", 5, "choices",
            QJsonArray::fromVariantList(QVariantList(257, QStringLiteral("put"))), "\"choices\"");
        row("switch: text", 6, "initial", QStringLiteral("on"), "\"initial\"");
    }

    void wrongKeyOfAParameterIsNamed()
    {
        QFETCH(int, index);
        QFETCH(QString, key);
        QFETCH(QJsonValue, value);
        QFETCH(QByteArray, word);

        const std::string sentence = refusal(withParameter(index, key, value));

        QVERIFY2(sentence.find(word.toStdString()) != std::string::npos, sentence.c_str());
        QVERIFY2(sentence.starts_with("task all-types-2: "), "the sentence says in which task");
        QVERIFY2(sentence.size() < 1000, "a sentence, whatever was written");
    }

    void taskNamedTwiceIsRefused()
    {
        auto twice = tasks();
        twice.push_back(twice.front());

        QVERIFY(refusal(describeTasks(twice)).find("twice") != std::string::npos);
    }

    void otherJsonIsRefused_data()
    {
        QTest::addColumn<QByteArray>("json");

        QTest::newRow("nothing") << QByteArray();
        QTest::newRow("text") << QByteArray("usage: tool [options]");
        QTest::newRow("null") << QByteArray("null");
        QTest::newRow("number") << QByteArray("1");
        QTest::newRow("list") << QByteArray("[]");
        QTest::newRow("object") << QByteArray("{}");
        QTest::newRow("version 2") << QByteArray(R"({"millrace": 2, "tasks": []})");
        QTest::newRow("version 1.5") << QByteArray(R"({"millrace": 1.5, "tasks": []})");
        QTest::newRow("version as text") << QByteArray(R"({"millrace": "1", "tasks": []})");
        QTest::newRow("no tasks") << QByteArray(R"({"millrace": 1})");
        QTest::newRow("tasks no list") << QByteArray(R"({"millrace": 1, "tasks": {}})");
        QTest::newRow("task no object") << QByteArray(R"({"millrace": 1, "tasks": [[]]})");
        QTest::newRow("more behind it") << QByteArray(R"({"millrace": 1, "tasks": []} x)");
        QTest::newRow("not UTF-8") << QByteArray("{\"millrace\": 1, \"tasks\": [], \"x\": \"\xff\"}");
        QTest::newRow("257 tasks") << json(QJsonArray::fromVariantList(QVariantList(257, 1)));
        QTest::newRow("deep") << QByteArray("{\"millrace\": 1, \"tasks\": ") + QByteArray(1'000'000, '[');
        QTest::newRow("over 4 MiB") << QByteArray(descriptionBytesMax + 1, ' ');
    }

    void otherJsonIsRefused()
    {
        QFETCH(QByteArray, json);

        QVERIFY(!refusal(json).empty());
    }

    void truncatedDescriptionIsRefused()
    {
        const QByteArray whole = describeTasks(tasks()).trimmed();
        for (qsizetype size = 0; size < whole.size(); ++size)
            QVERIFY(!refusal(whole.first(size)).empty());
    }

    void flippedBitGivesTasksOrARefusal()
    {
        const QByteArray whole = describeTasks(tasks());
        for (qsizetype bit = 0; bit < 8 * whole.size(); bit += 3) {
            QByteArray flipped = whole;
            flipped[bit / 8] = char(flipped[bit / 8] ^ (1 << bit % 8));

            const auto result = readTasks(flipped);

            if (const auto *read = std::get_if<std::vector<TaskDescription>>(&result))
                QCOMPARE(refusal(describeTasks(*read)), std::string());
            else
                QVERIFY(!std::get<std::string>(result).empty());
        }
    }
};

QTEST_GUILESS_MAIN(TestDescription)
#include "tst_description.moc"
