#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

/// What the benches share: seconds, medians, one JSON object a line.
namespace bench {

inline double secondsSince(std::chrono::steady_clock::time_point start)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

inline void printJson(const std::string &name, const std::vector<std::pair<std::string, double>> &figures)
{
    std::printf("{\"bench\": \"%s\"", name.c_str());
    for (const auto &[key, value] : figures)
        std::printf(", \"%s\": %.6g", key.c_str(), value);
    std::printf("}\n");
    std::fflush(stdout);
}

/// `--short`: a run that only proves that the bench works.
inline bool isShort(int argc, char **argv)
{
    return argc > 1 && std::string(argv[1]) == "--short";
}

} // namespace bench
