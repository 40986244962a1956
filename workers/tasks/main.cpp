// millrace-worker: the helper with the built-in tasks.

#include "workers/helper/helpermain.h"
#include "workers/tasks/command.h"
#include "workers/tasks/count.h"
#include "workers/tasks/eseries.h"
#include "workers/tasks/montecarlo.h"
#include "workers/tasks/primes.h"

int main(int argc, char **argv)
{
    using namespace millrace;
    return helperMain(argc, argv, "millrace-worker " MILLRACE_VERSION,
                      {monteCarloTask(), primesTask(), countTask(), eSeriesTask(), commandTask()});
}
