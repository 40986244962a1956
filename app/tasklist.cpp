#include "app/tasklist.h"

#include <QStringList>

namespace millrace {

namespace {

constexpr int nameWidth = 14;

QString number(double value)
{
    return QString::number(value, 'g', 15);
}

QString allowed(const ParameterDescription &parameter)
{
    switch (parameter.type) {
    case ParameterType::Number: return QStringLiteral("%1 to %2").arg(number(parameter.minimum), number(parameter.maximum));
    case ParameterType::Integer:
        return QStringLiteral("%1 to %2, whole").arg(qint64(parameter.minimum)).arg(qint64(parameter.maximum));
    case ParameterType::Switch: return QStringLiteral("on or off");
    case ParameterType::Text: return QStringLiteral("text");
    case ParameterType::Choice: break;
    }
    QStringList choices;
    for (const auto &choice : parameter.choices)
        choices += QString::fromStdString(choice);
    return choices.join(QStringLiteral(" or "));
}

} // namespace

QString taskListText(const std::vector<TaskDescription> &tasks)
{
    QString text;
    for (const auto &task : tasks) {
        text += QStringLiteral("%1: %2\n").arg(QString::fromStdString(task.name), QString::fromStdString(task.help));
        for (const auto &parameter : task.parameters) {
            const QString initial = QString::fromStdString(parameterText(parameter.initial));
            text += QStringLiteral("  %1 %2 (%3%4%5)\n")
                        .arg(QString::fromStdString(parameter.name).leftJustified(nameWidth),
                             QString::fromStdString(parameter.help), allowed(parameter),
                             parameter.unit.empty() ? QString() : QLatin1Char(' ') + QString::fromStdString(parameter.unit),
                             initial.isEmpty() ? QString() : QStringLiteral("; %1 unless set").arg(initial));
        }
        text += QLatin1Char('\n');
    }
    return text;
}

} // namespace millrace
