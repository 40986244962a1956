#include "tests/fuzz/require.h"

#include "workers/protocol/description.h"

#include <cstdint>

/// Any bytes as what a helper printed. Checked: tasks that are taken have initial values that are allowed,
/// and are read again as they are written; what is refused has a sentence of bounded length.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace millrace;
    using test::require;

    const auto result =
        readTasks(QByteArray::fromRawData(reinterpret_cast<const char *>(data), qsizetype(size)));

    if (const auto *sentence = std::get_if<std::string>(&result)) {
        require(!sentence->empty() && sentence->size() < 4096);
        return 0;
    }
    const auto &tasks = std::get<std::vector<TaskDescription>>(result);
    for (const TaskDescription &task : tasks) {
        for (const ParameterDescription &parameter : task.parameters)
            require(!checkParameter(parameter, parameter.initial));
    }
    const QByteArray written = describeTasks(tasks);
    if (written.contains("\xef\xbb\xbf"))
        return 0; // Qt drops a byte order mark at the beginning of a text
    const auto again = readTasks(written);
    require(std::holds_alternative<std::vector<TaskDescription>>(again));
    require(std::get<std::vector<TaskDescription>>(again) == tasks);
    return 0;
}
