#include "workers/protocol/description.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QRegularExpression>

#include <algorithm>
#include <cmath>

namespace millrace {

namespace {

constexpr int tasksMax = 256;
constexpr int parametersMax = 256;
constexpr int choicesMax = 256;
constexpr qsizetype wordBytesMax = 64;
constexpr qsizetype sentenceBytesMax = 4 * 1024;
/// Up to here float64, and so JSON, has every whole number.
constexpr double exactMax = 9007199254740992.0; // 2^53

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
    std::string name = word(object, "name", wordBytesMax);
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
        if (value.isDouble() && std::trunc(value.toDouble()) == value.toDouble() &&
            std::abs(value.toDouble()) <= exactMax)
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

double bound(const QJsonObject &object, const char *key, ParameterType type)
{
    const QJsonValue value = object.value(QLatin1String(key));
    if (!value.isDouble() || (type == ParameterType::Integer && std::abs(value.toDouble()) > exactMax))
        throw Unusable{std::string("\"") + key + "\" must be a number" +
                       (type == ParameterType::Integer ? " of at most 2^53 in size" : "")};
    return value.toDouble();
}

void readRange(const QJsonObject &object, ParameterDescription &parameter)
{
    parameter.minimum = bound(object, "minimum", parameter.type);
    parameter.maximum = bound(object, "maximum", parameter.type);
    if (parameter.minimum > parameter.maximum)
        throw Unusable{"\"maximum\" is less than \"minimum\""};
}

std::vector<std::string> choicesOf(const QJsonObject &object)
{
    std::vector<std::string> choices;
    for (const auto &choice : list(object, "choices", choicesMax)) {
        choices.push_back(choice.toString().toStdString());
        if (!choice.isString() || choices.back().size() > std::size_t(sentenceBytesMax))
            throw Unusable{"\"choices\" must be texts of at most " + std::to_string(sentenceBytesMax) +
                           " bytes"};
    }
    return choices;
}

/// Tasks and parameters are chosen by their names: a second of the same name could never be.
template <typename Named>
void requireNewName(const std::vector<Named> &before, const std::string &name)
{
    const auto isSame = [&name](const Named &one) { return one.name == name; };
    if (std::any_of(before.begin(), before.end(), isSame))
        throw Unusable{"the name " + name + " is used twice"};
}

ParameterDescription parameterFrom(const QJsonObject &object)
{
    ParameterDescription parameter;
    parameter.name = identifier(object);
    parameter.title = word(object, "title", sentenceBytesMax);
    parameter.unit = word(object, "unit", wordBytesMax);
    parameter.help = word(object, "help", sentenceBytesMax);
    parameter.type = typeOf(object);
    if (parameter.type == ParameterType::Number || parameter.type == ParameterType::Integer)
        readRange(object, parameter);
    if (parameter.type == ParameterType::Choice)
        parameter.choices = choicesOf(object);
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
        for (const auto &value : list(object, "parameters", parametersMax)) {
            ParameterDescription parameter = parameterFrom(value.toObject());
            requireNewName(task.parameters, parameter.name);
            task.parameters.push_back(std::move(parameter));
        }
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
        for (const auto &value : list(object, "tasks", tasksMax)) {
            TaskDescription task = taskFrom(value.toObject());
            requireNewName(tasks, task.name);
            tasks.push_back(std::move(task));
        }
        return tasks;
    } catch (const Unusable &unusable) {
        return unusable.sentence;
    }
}

} // namespace millrace
