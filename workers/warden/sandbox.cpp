#include "workers/warden/sandbox.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the seccomp filter is written for x86-64"
#endif

namespace millrace {

namespace {

/// LANDLOCK_ACCESS_FS_TRUNCATE of Linux 6.2: without it, a file can be emptied without being opened.
constexpr std::uint64_t accessTruncate = 1ULL << 14;

int denyWrites()
{
    const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return 0; // no Landlock in this kernel, or not switched on: seccomp alone has to do
    landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                   LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                   LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                   LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    if (version >= 2)
        attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        attributes.handled_access_fs |= accessTruncate;
    const int ruleset =
        static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
    if (ruleset < 0)
        return errno;
    landlock_path_beneath_attr null{};
    null.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE;
    null.parent_fd = open("/dev/null", O_PATH | O_CLOEXEC);
    if (null.parent_fd >= 0) {
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &null, 0);
        close(null.parent_fd);
    }
    const int error = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
    close(ruleset);
    return error;
}

constexpr sock_filter statement(std::uint16_t code, std::uint32_t value)
{
    return {code, 0, 0, value};
}

constexpr sock_filter jump(std::uint16_t code, std::uint32_t value, std::uint8_t ifTrue, std::uint8_t ifFalse)
{
    return {code, ifTrue, ifFalse, value};
}

constexpr std::uint32_t numberOffset = offsetof(seccomp_data, nr);
constexpr std::uint32_t architectureOffset = offsetof(seccomp_data, arch);
constexpr std::uint32_t argumentOffset = offsetof(seccomp_data, args); // low half of the first argument
constexpr std::uint32_t secondArgumentOffset = argumentOffset + sizeof(std::uint64_t);

constexpr std::uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
#ifndef MILLRACE_SANITIZED
/// glibc tries clone3 first and falls back to clone, whose flags a filter can see, only on ENOSYS.
constexpr std::uint32_t absent = SECCOMP_RET_ERRNO | ENOSYS;
#endif

constexpr long fchmodat2Number = 452; // of Linux 6.6

constexpr long denied[] = {
    SYS_socket,
    SYS_connect,
    SYS_socketpair,
    SYS_bind,
    SYS_listen,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_mount,
    SYS_umount2,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_unshare,
    SYS_setns,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_pidfd_send_signal,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_getfd,
    SYS_userfaultfd,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_swapon,
    SYS_reboot,
    // What changes files without opening them for writing: Landlock does not know these, or only since 6.2.
    SYS_truncate,
    SYS_chmod,
    SYS_fchmod,
    SYS_fchmodat,
    fchmodat2Number,
    SYS_chown,
    SYS_lchown,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_utimensat,
#ifndef MILLRACE_SANITIZED // LeakSanitizer forks and traces its own process at exit
    SYS_ptrace,
    SYS_fork,
    SYS_vfork,
#endif
};

/// Calls that act on a process, allowed on the caller's own only. (tkill names a thread: the first one.)
constexpr long ownOnly[] = {SYS_kill, SYS_tgkill, SYS_tkill};

/// They push characters into the terminal, as if the user had typed them.
constexpr std::uint32_t deniedTerminalCalls[] = {TIOCSTI, TIOCLINUX};

class Filter
{
public:
    void add(sock_filter instruction)
    {
        if (m_count < instructionsMax)
            m_instructions[m_count++] = instruction;
    }

    int install()
    {
        if (m_count == instructionsMax)
            return EOVERFLOW;
        sock_fprog program{static_cast<unsigned short>(m_count), m_instructions};
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
    }

private:
    static constexpr std::size_t instructionsMax = 256;
    sock_filter m_instructions[instructionsMax];
    std::size_t m_count = 0;
};

int denyCalls()
{
    Filter filter;
    filter.add(statement(BPF_LD | BPF_W | BPF_ABS, architectureOffset));
    filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    filter.add(statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    filter.add(statement(BPF_LD | BPF_W | BPF_ABS, numberOffset));
    // The x32 numbers are the same calls under another name.
    constexpr std::uint32_t x32Bit = 0x40000000;
    filter.add(jump(BPF_JMP | BPF_JGE | BPF_K, x32Bit, 0, 1));
    filter.add(statement(BPF_RET | BPF_K, refuse));
    for (const long number : denied) {
        filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
        filter.add(statement(BPF_RET | BPF_K, refuse));
    }
    filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 6));
    filter.add(statement(BPF_LD | BPF_W | BPF_ABS, secondArgumentOffset));
    for (const std::uint32_t call : deniedTerminalCalls) {
        filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
        filter.add(statement(BPF_RET | BPF_K, refuse));
    }
    filter.add(statement(BPF_LD | BPF_W | BPF_ABS, numberOffset));
    const auto own = static_cast<std::uint32_t>(getpid());
    // The limits of another process are a weapon; 0 is the caller.
    filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 5));
    filter.add(statement(BPF_LD | BPF_W | BPF_ABS, argumentOffset));
    filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0));
    filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, own, 1, 0));
    filter.add(statement(BPF_RET | BPF_K, refuse));
    filter.add(statement(BPF_LD | BPF_W | BPF_ABS, numberOffset));
    for (const long number : ownOnly) {
        filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 4));
        filter.add(statement(BPF_LD | BPF_W | BPF_ABS, argumentOffset));
        filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, own, 1, 0));
        filter.add(statement(BPF_RET | BPF_K, refuse));
        filter.add(statement(BPF_LD | BPF_W | BPF_ABS, numberOffset));
    }
#ifndef MILLRACE_SANITIZED
    filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    filter.add(statement(BPF_RET | BPF_K, absent));
    filter.add(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3));
    filter.add(statement(BPF_LD | BPF_W | BPF_ABS, argumentOffset));
    filter.add(jump(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
    filter.add(statement(BPF_RET | BPF_K, refuse));
#endif
    filter.add(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return filter.install();
}

} // namespace

int enterComputeSandbox()
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    if (const int error = denyWrites())
        return error;
    return denyCalls();
}

} // namespace millrace
