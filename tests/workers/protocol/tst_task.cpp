#include "workers/protocol/task.h"

#include <QTest>

using namespace millrace;

namespace {

ParameterDescription described(ParameterType type, double minimum = 0, double maximum = 0)
{
    ParameterDescription result;
    result.name = "volatility";
    result.type = type;
    result.minimum = minimum;
    result.maximum = maximum;
    result.choices = {"call", "put"};
    return result;
}

} // namespace

class TestTask : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void textIsReadAsTheDeclaredType_data()
    {
        QTest::addColumn<int>("type");
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("value"); // as parameterText() writes it; empty: refused

        const auto rows = [](ParameterType type,
                             std::initializer_list<std::pair<QByteArray, QByteArray>> cases) {
            for (const auto &[text, value] : cases) {
                const auto name = QByteArray::number(int(type)) + " " + text.left(20).toPercentEncoding() +
                                  " " + QByteArray::number(text.size());
                QTest::newRow(name.constData()) << int(type) << text << value;
            }
        };
        rows(ParameterType::Number,
             {{"0.25", "0.25"},  {"+0.25", "0.25"}, {"1e3", "1000"},
              {"1e2", "100"},    {".5", "0.5"},     {"-10", "-10"},
              {"1000", "1000"},  {"-0", "-0"},      {"5e-324", "5e-324"},
              {"1e-400", ""},    {"", ""},          {" ", ""},
              {" 1", ""},        {"1 ", ""},        {"1\n", ""},
              {"nan", ""},       {"NaN", ""},       {"inf", ""},
              {"-inf", ""},      {"1e309", ""},     {"1,5", ""},
              {"1_000", ""},     {"0x10", ""},      {"١٢", ""},
              {"--1", ""},       {"+-1", ""},       {"++1", ""},
              {"1000.0001", ""}, {"-10.5", ""},     {QByteArray("1\0", 2), ""},
              {"1e", ""},        {"e1", ""},        {"+", ""},
              {"-", ""},         {".", ""},         {QByteArray(10'000'000, '1'), ""}});
        rows(ParameterType::Integer, {{"7", "7"},
                                      {"+7", "7"},
                                      {"007", "7"},
                                      {"1e2", "100"},
                                      {"2.0", "2"},
                                      {"-10", "-10"},
                                      {"1.5", ""},
                                      {"", ""},
                                      {"1001", ""},
                                      {"-11", ""},
                                      {"9223372036854775808", ""},
                                      {"1e300", ""},
                                      {"nan", ""},
                                      {"seven", ""},
                                      {"7 ", ""},
                                      {"0b1", ""},
                                      {"1e-1", ""}});
        rows(ParameterType::Switch, {{"on", "on"},
                                     {"off", "off"},
                                     {"true", "on"},
                                     {"false", "off"},
                                     {"yes", "on"},
                                     {"no", "off"},
                                     {"1", "on"},
                                     {"0", "off"},
                                     {"ON", ""},
                                     {"", ""},
                                     {"2", ""},
                                     {"maybe", ""}});
        rows(ParameterType::Choice,
             {{"call", "call"}, {"put", "put"}, {"Call", ""}, {"", ""}, {"call,put", ""}, {"call ", ""}});
        rows(ParameterType::Text, {{"a b", "a b"},
                                   {"größer", "größer"},
                                   {"<b>", "<b>"},
                                   {QByteArray(64 * 1024, 'x'), QByteArray(64 * 1024, 'x')},
                                   {QByteArray(64 * 1024 + 1, 'x'), ""},
                                   {QByteArray("a\0b", 3), ""},
                                   {"\xff", ""},
                                   {"\xc0\xaf", ""},
                                   {"\xed\xa0\x80", ""},
                                   {"\xf4\x90\x80\x80", ""},
                                   {"\xe2\x82", ""}});
    }

    void textIsReadAsTheDeclaredType()
    {
        QFETCH(int, type);
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, value);

        const auto result = parseParameter(described(ParameterType(type), -10, 1000), text.toStdString());

        if (value.isEmpty()) {
            QVERIFY(std::holds_alternative<ParameterError>(result));
            const auto &error = std::get<ParameterError>(result);
            QCOMPARE(error.parameter, "volatility");
            QVERIFY(error.sentence.starts_with("volatility must be "));
            QVERIFY2(error.sentence.size() < 300, "a sentence, whatever was typed");
            QVERIFY(error.sentence.find('\0') == std::string::npos);
        } else {
            QVERIFY(std::holds_alternative<ParameterValue>(result));
            QCOMPARE(QByteArray::fromStdString(parameterText(std::get<ParameterValue>(result))), value);
        }
    }

    void emptyTextIsAText()
    {
        const auto result = parseParameter(described(ParameterType::Text), "");

        QVERIFY(std::holds_alternative<ParameterValue>(result));
    }

    void sentenceSaysWhatIsAllowed()
    {
        const auto number =
            std::get<ParameterError>(parseParameter(described(ParameterType::Number, 0, 10), "abc"));
        const auto count =
            std::get<ParameterError>(parseParameter(described(ParameterType::Integer, 1, 1e13), "0"));
        const auto choice =
            std::get<ParameterError>(parseParameter(described(ParameterType::Choice), "swap"));

        QCOMPARE(number.sentence, "volatility must be a number from 0 to 10, not \"abc\"");
        QCOMPARE(count.sentence, "volatility must be a whole number from 1 to 10000000000000, not \"0\"");
        QCOMPARE(choice.sentence, "volatility must be one of call, put, not \"swap\"");
    }

    void longTextIsCutBetweenCharacters()
    {
        const std::string text = "x" + QByteArray("é").repeated(60).toStdString();

        const auto error =
            std::get<ParameterError>(parseParameter(described(ParameterType::Number, 0, 1), text));

        QVERIFY(QString::fromStdString(error.sentence).endsWith(QStringLiteral("é...\"")));
        QVERIFY(!QString::fromStdString(error.sentence).contains(QChar::ReplacementCharacter));
    }

    void everyValueIsReadBackAsWritten()
    {
        const auto description = described(ParameterType::Number, -1e308, 1e308);
        for (const double value : {0.1, -0.0, 5e-324, 1.7976931348623157e300, 1.0 / 3}) {
            const auto result = parseParameter(description, parameterText(value));

            QVERIFY(std::holds_alternative<ParameterValue>(result));
            const double back = std::get<double>(std::get<ParameterValue>(result));
            QCOMPARE(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(value));
        }
    }

    void missingParametersGetTheirInitialValue()
    {
        TaskDescription task;
        task.name = "task";
        task.parameters = {described(ParameterType::Number, 0, 10)};
        task.parameters[0].initial = 0.2;

        const auto resolved = resolveParameters(task, {});

        QVERIFY(resolved.errors.empty());
        QCOMPARE(std::get<double>(resolved.values.at("volatility")), 0.2);
    }

    void everyWrongParameterGetsASentence()
    {
        TaskDescription task;
        task.name = "task";
        task.parameters = {described(ParameterType::Number, 0, 10)};

        const auto resolved = resolveParameters(task, {{"volatility", 11.0}, {"volatilty", 1.0}});

        QCOMPARE(resolved.errors.size(), std::size_t(2));
        QCOMPARE(resolved.errors[0].sentence, "volatility must be a number from 0 to 10, not \"11\"");
        QCOMPARE(resolved.errors[1].sentence,
                 "the task task has no parameter \"volatilty\"; it has volatility");
    }

    void valueOfAnotherTypeIsRefused()
    {
        QVERIFY(checkParameter(described(ParameterType::Number, 0, 10), std::int64_t(1)).has_value());
        QVERIFY(checkParameter(described(ParameterType::Integer, 0, 10), 1.0).has_value());
        QVERIFY(checkParameter(described(ParameterType::Switch), std::string("on")).has_value());
        QVERIFY(checkParameter(described(ParameterType::Text), true).has_value());
    }
};

QTEST_GUILESS_MAIN(TestTask)
#include "tst_task.moc"
