#include "app/tasklist.h"

#include <QStringList>

namespace millrace {

namespace {

constexpr int lineWidth = 79;
constexpr int settingWidth = 20;

QString number(double value)
{
    return QString::number(value, 'g', 15);
}

QString allowed(const ParameterDescription &parameter)
{
    switch (parameter.type) {
    case ParameterType::Number:
        return QStringLiteral("%1 to %2").arg(number(parameter.minimum), number(parameter.maximum));
    case ParameterType::Integer:
        return QStringLiteral("%1 to %2, whole")
            .arg(qint64(parameter.minimum))
            .arg(qint64(parameter.maximum));
    case ParameterType::Switch:
        return QStringLiteral("on or off");
    case ParameterType::Text:
        return QStringLiteral("text");
    case ParameterType::Choice:
        break;
    }
    QStringList choices;
    for (const auto &choice : parameter.choices)
        choices += QString::fromStdString(choice);
    return choices.join(QStringLiteral(" or "));
}

/// `text` broken between words, each line after the first with `indent` blanks before it.
QString wrapped(const QString &text, int indent)
{
    QString result;
    int column = indent;
    for (const QString &word : text.split(QLatin1Char(' '), Qt::SkipEmptyParts)) {
        const bool isFirst = column == indent;
        if (!isFirst && column + 1 + word.size() > lineWidth) {
            result += QLatin1Char('\n') + QString(indent, QLatin1Char(' '));
            column = indent;
        } else if (!isFirst) {
            result += QLatin1Char(' ');
            ++column;
        }
        result += word;
        column += int(word.size());
    }
    return result + QLatin1Char('\n');
}

QString parameterEntry(const ParameterDescription &parameter)
{
    const QString unit = QString::fromStdString(parameter.unit);
    const QString setting = QString::fromStdString(parameter.name) + QLatin1Char('=') +
                            QString::fromStdString(parameterText(parameter.initial));
    const QString help = QStringLiteral("%1 (%2%3)")
                             .arg(QString::fromStdString(parameter.help), allowed(parameter),
                                  unit.isEmpty() ? QString() : QStringLiteral("; ") + unit);
    return QStringLiteral("  ") + setting.leftJustified(settingWidth) + QLatin1Char(' ') +
           wrapped(help, settingWidth + 3);
}

} // namespace

QString taskListText(const std::vector<TaskDescription> &tasks)
{
    QString text;
    for (const auto &task : tasks) {
        if (!text.isEmpty())
            text += QLatin1Char('\n');
        text += wrapped(
            QString::fromStdString(task.name) + QStringLiteral(": ") + QString::fromStdString(task.help), 0);
        for (const auto &parameter : task.parameters)
            text += parameterEntry(parameter);
    }
    return text;
}

} // namespace millrace
