#include "workers/tasks/command.h"

#include "workers/tasks/commandkernels.h"

namespace millrace {

namespace {

ParameterDescription parameter(std::string name, std::string title, ParameterType type,
                               ParameterValue initial, std::string help)
{
    ParameterDescription result;
    result.name = std::move(name);
    result.title = std::move(title);
    result.type = type;
    result.initial = std::move(initial);
    result.help = std::move(help);
    return result;
}

TaskDescription description()
{
    TaskDescription task;
    task.name = "command";
    task.title = "Command";
    task.help = "Any program whose output has a row of numbers in each line.";
    task.access = Access::System;
    auto mode =
        parameter("mode", "Mode", ParameterType::Choice, std::string("stream"),
                  "stream: the program runs once. lease: it is started for each range of rows, by many "
                  "workers, with {begin}, {end}, {seed} and {worker} replaced in its arguments.");
    mode.choices = {"stream", "lease"};
    task.parameters = {
        parameter("program", "Program", ParameterType::Text, std::string(),
                  "Name or path of the program; no shell is started."),
        parameter("arguments", "Arguments", ParameterType::Text, std::string(), "Quoted as in a shell."),
        std::move(mode),
        parameter("pattern", "Pattern", ParameterType::Text, std::string(),
                  "A regular expression whose groups are the numbers of a row, for programs that talk around "
                  "them; named groups name the series."),
        parameter("replay", "Replay", ParameterType::Switch, false,
                  "The program prints the same again: a continued run passes over the rows that it has."),
        parameter("buffered", "Buffered", ParameterType::Switch, false,
                  "Leave the program its own buffering: faster, but its lines come in blocks."),
    };
    return task;
}

template <typename T>
T valueOrAdd(std::variant<T, ParameterError> result, std::vector<ParameterError> &errors)
{
    if (auto *value = std::get_if<T>(&result))
        return std::move(*value);
    errors.push_back(std::get<ParameterError>(std::move(result)));
    return {};
}

std::unique_ptr<RowPattern> patternOrAdd(const std::string &text, std::vector<ParameterError> &errors)
{
    if (text.empty())
        return nullptr;
    auto result = RowPattern::compile(text);
    if (auto *pattern = std::get_if<std::unique_ptr<RowPattern>>(&result))
        return std::move(*pattern);
    errors.push_back({"pattern", std::get<std::string>(std::move(result))});
    return nullptr;
}

/// What only mode lease asks for.
void checkLease(const CommandSource &source, std::vector<ParameterError> &errors)
{
    if (!source.options.rows)
        errors.push_back({"mode", "mode lease needs a number of rows: the program has no end of its own"});
    if (source.isReplayed)
        errors.push_back({"replay", "replay must be off in mode lease: rows are asked for by their number"});
    for (const char *placeholder : {"{begin}", "{end}"}) {
        const auto hasIt = [placeholder](const std::string &argument) {
            return argument.find(placeholder) != std::string::npos;
        };
        if (std::none_of(source.arguments.begin(), source.arguments.end(), hasIt)) {
            errors.push_back({"arguments",
                              "arguments must contain {begin} and {end} in mode lease: the program "
                              "prints the rows from {begin} up to, not including, {end}"});
            break;
        }
    }
}

std::unique_ptr<Kernel> makeCommand(const Parameters &parameters, const RunOptions &options)
{
    std::vector<ParameterError> errors;
    CommandSource source;
    source.options = options;
    source.path = valueOrAdd(findProgram(get<std::string>(parameters, "program")), errors);
    source.arguments = valueOrAdd(splitArguments(get<std::string>(parameters, "arguments")), errors);
    source.pattern = patternOrAdd(get<std::string>(parameters, "pattern"), errors);
    source.buffering = get<bool>(parameters, "buffered") ? Buffering::OwnChoice : Buffering::ByLine;
    source.isReplayed = get<bool>(parameters, "replay");
    const bool isLease = get<std::string>(parameters, "mode") == "lease";
    if (isLease)
        checkLease(source, errors);
    if (!errors.empty())
        throw WrongParameters(std::move(errors));
    if (isLease)
        return std::make_unique<LeaseKernel>(std::move(source));
    return std::make_unique<StreamKernel>(std::move(source));
}

} // namespace

TaskEntry commandTask()
{
    return {description(), makeCommand};
}

} // namespace millrace
