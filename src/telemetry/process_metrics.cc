#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "telemetry/metrics.h"

namespace sb {
namespace {

// /proc/self/statm (proc(5)): size resident shared text lib data dt, in pages.
double resident_bytes() {
  std::ifstream stream("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  stream >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_files() {
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return 0;
  std::size_t count = 0;
  while (const auto* entry = readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(folder);
  return static_cast<double>(count - 1);  // not the folder that is being read
}

double max_files() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The fields behind the command's name in /proc/self/stat; `index` as in proc(5), from 3 on.
double stat_field(int index) {
  std::ifstream stream("/proc/self/stat");
  std::string line;
  std::getline(stream, line);
  auto at = line.rfind(')');
  if (at == std::string::npos) return 0;
  for (int field = 2; field < index && at != std::string::npos; ++field) at = line.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtod(line.c_str() + at, nullptr);
}

double start_seconds() {
  std::ifstream stream("/proc/stat");
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with("btime ")) continue;
    return std::strtod(line.c_str() + 6, nullptr) + stat_field(22) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  return 0;
}

}  // namespace

void register_process_probes(MetricRegistry& registry) {
  registry.probe("process_resident_memory_bytes", "Memory in use; if it grows for hours under steady load, report it.",
                 resident_bytes);
  registry.probe("process_open_fds",
                 "Open files and sockets; near process_max_fds connections are refused: raise the limit.", open_files);
  registry.probe("process_max_fds",
                 "Limit of open files; set LimitNOFILE or ulimit -n above server.limits.max_connections.", max_files);
  registry.probe("process_cpu_seconds_total",
                 "Processor time used; a rate near the number of cores means add shards or nodes.", cpu_seconds);
  registry.probe("process_start_time_seconds",
                 "Start of the process, Unix time; if it moves, the server restarted: read its log.", start_seconds);
  registry.probe("process_threads", "Threads; fixed after the start, growth is a fault to report.",
                 [] { return stat_field(20); });
}

}  // namespace sb
