#include "workers/protocol/description.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QRegularExpression>

#include <cmath>

namespace millrace {

namespace {

constexpr int tasksMax = 256;
constexpr int parametersMax = 256;
constexpr int choicesMax = 256;
constexpr qsizetype wordBytesMax = 64;
constexpr qsizetype sentenceBytesMax = 4 * 1024;

constexpr std::pair<ParameterType, const char *> typeNames[] = {
    {ParameterType::Number, "number"}, {ParameterType::Integer, "integer"}, {ParameterType::Text, "text"},
    {ParameterType::Choice, "choice"}, {ParameterType::Switch, "switch"},
};

QString toQString(const std::string &text)
{
    return QString::fromStdString(text);
}

QJsonValue toJson(const ParameterValue &value)
{
    struct
    {
        QJsonValue operator()(bool on) const { return on; }
        QJsonValue operator()(std::int64_t number) const { return qint64(number); }
        QJsonValue operator()(double number) const { return number; }
        QJsonValue operator()(const std::string &text) const { return toQString(text); }
    } visitor;
    return std::visit(visitor, value);
}

QJsonObject toJson(const ParameterDescription &parameter)
{
    QJsonObject object{
        {QStringLiteral("name"), toQString(parameter.name)},
        {QStringLiteral("title"), toQString(parameter.title)},
        {QStringLiteral("unit"), toQString(parameter.unit)},
        {QStringLiteral("help"), toQString(parameter.help)},
        {QStringLiteral("initial"), toJson(parameter.initial)},
    };
    for (const auto &[type, name] : typeNames) {
        if (type == parameter.type)
            object.insert(QStringLiteral("type"), QLatin1String(name));
    }
    if (parameter.type == ParameterType::Number || parameter.type == ParameterType::Integer) {
        object.insert(QStringLiteral("minimum"), parameter.minimum);
        object.insert(QStringLiteral("maximum"), parameter.maximum);
    }
    if (parameter.type == ParameterType::Choice) {
        QJsonArray choices;
        for (const auto &choice : parameter.choices)
            choices.append(toQString(choice));
        object.insert(QStringLiteral("choices"), choices);
    }
    return object;
}

/// Thrown inside readTasks() only; it leaves as its sentence.
struct Unusable
{
    std::string sentence;
};

std::string word(const QJsonObject &object, const char *key, qsizetype bytesMax)
{
    const QJsonValue value = object.value(QLatin1String(key));
    const QByteArray text = value.toString().toUtf8();
    if (!value.isString() || text.size() > bytesMax)
        throw Unusable{std::string("\"") + key + "\" must be a text of at most " + std::to_string(bytesMax) +
                       " bytes"};
    return text.toStdString();
}

std::string identifier(const QJsonObject &object)
{
    static const QRegularExpression form(QStringLiteral("\\A[a-z0-9][a-z0-9-]{0,63}\\z"));
    const std::string name = word(object, "name", wordBytesMax);
    if (!form.match(toQString(name)).hasMatch())
        throw Unusable{"a name may have small letters, digits and '-', at most 64: \"" + name +
                       "\" has others"};
    return name;
}

QJsonArray list(const QJsonObject &object, const char *key, int max)
{
    const QJsonValue value = object.value(QLatin1String(key));
    if (!value.isArray() || value.toArray().size() > max)
        throw Unusable{std::string("\"") + key + "\" must be a list of at most " + std::to_string(max)};
    return value.toArray();
}

ParameterType typeOf(const QJsonObject &object)
{
    const std::string text = word(object, "type", wordBytesMax);
    for (const auto &[type, name] : typeNames) {
        if (text == name)
            return type;
    }
    throw Unusable{"unknown parameter type \"" + text + "\""};
}

ParameterValue initialOf(const QJsonValue &value, ParameterType type)
{
    switch (type) {
    case ParameterType::Number:
        if (value.isDouble())
            return value.toDouble();
        break;
    case ParameterType::Integer:
        if (value.isDouble() && std::trunc(value.toDouble()) == value.toDouble())
            return std::int64_t(value.toInteger());
        break;
    case ParameterType::Switch:
        if (value.isBool())
            return value.toBool();
        break;
    case ParameterType::Text:
    case ParameterType::Choice:
        if (value.isString())
            return value.toString().toStdString();
        break;
    }
    throw Unusable{"\"initial\" is not of the parameter's type"};
}

ParameterDescription parameterFrom(const QJsonObject &object)
{
    ParameterDescription parameter;
    parameter.name = identifier(object);
    parameter.title = word(object, "title", sentenceBytesMax);
    parameter.unit = word(object, "unit", wordBytesMax);
    parameter.help = word(object, "help", sentenceBytesMax);
    parameter.type = typeOf(object);
    parameter.minimum = object.value(QLatin1String("minimum")).toDouble();
    parameter.maximum = object.value(QLatin1String("maximum")).toDouble();
    if (parameter.type == ParameterType::Choice) {
        for (const auto &choice : list(object, "choices", choicesMax))
            parameter.choices.push_back(choice.toString().toStdString());
    }
    parameter.initial = initialOf(object.value(QLatin1String("initial")), parameter.type);
    if (const auto error = checkParameter(parameter, parameter.initial))
        throw Unusable{"the initial value is not allowed: " + error->sentence};
    return parameter;
}

TaskDescription taskFrom(const QJsonObject &object)
{
    TaskDescription task;
    task.name = identifier(object);
    try {
        task.title = word(object, "title", sentenceBytesMax);
        task.help = word(object, "help", sentenceBytesMax);
        const std::string access = word(object, "access", wordBytesMax);
        if (access != "compute" && access != "system")
            throw Unusable{"\"access\" must be compute or system"};
        task.access = access == "system" ? Access::System : Access::Compute;
        for (const auto &parameter : list(object, "parameters", parametersMax))
            task.parameters.push_back(parameterFrom(parameter.toObject()));
    } catch (const Unusable &unusable) {
        throw Unusable{"task " + task.name + ": " + unusable.sentence};
    }
    return task;
}

} // namespace

QByteArray describeTasks(const std::vector<TaskDescription> &tasks)
{
    QJsonArray list;
    for (const auto &task : tasks) {
        QJsonArray parameters;
        for (const auto &parameter : task.parameters)
            parameters.append(toJson(parameter));
        const auto access =
            task.access == Access::System ? QStringLiteral("system") : QStringLiteral("compute");
        list.append(QJsonObject{{QStringLiteral("name"), toQString(task.name)},
                                {QStringLiteral("title"), toQString(task.title)},
                                {QStringLiteral("help"), toQString(task.help)},
                                {QStringLiteral("access"), access},
                                {QStringLiteral("parameters"), parameters}});
    }
    return QJsonDocument(QJsonObject{{QStringLiteral("millrace"), 1}, {QStringLiteral("tasks"), list}})
        .toJson();
}

std::variant<std::vector<TaskDescription>, std::string> readTasks(const QByteArray &json)
{
    if (json.size() > descriptionBytesMax)
        return std::string("the description is longer than 4 MiB");
    QJsonParseError error;
    const QJsonObject object = QJsonDocument::fromJson(json, &error).object();
    if (error.error != QJsonParseError::NoError)
        return "the description is no JSON: " + error.errorString().toStdString();
    if (object.value(QLatin1String("millrace")).toInt() != 1)
        return std::string(
            "the description does not say {\"millrace\": 1}: another program, or another version");
    try {
        std::vector<TaskDescription> tasks;
        for (const auto &task : list(object, "tasks", tasksMax))
            tasks.push_back(taskFrom(task.toObject()));
        return tasks;
    } catch (const Unusable &unusable) {
        return unusable.sentence;
    }
}

} // namespace millrace
