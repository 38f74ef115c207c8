"""Runs a program under the restrictions of a systemd service, without systemd:

    confine.py UNIT FOLDER PROGRAM [ARGUMENT…]

They are read from the unit file, and a setting that is not known here is an error, so that
the two cannot drift. FOLDER stands for StateDirectory. It needs user namespaces instead of
root, and keeps its process id. APART are those which only a service manager can give."""

import ctypes
import errno
import os
import pathlib
import re
import resource
import socket
import stat
import subprocess
import sys

import seccomp
from seccomp import ALLOW, EQ, ERRNO, GT, LT, MASKED_EQ, NE, Arg

# What to start, and how: no restrictions.
HOW = set(
    "Type ExecStart Environment StandardInput StandardOutput StandardError User Group "
    "Restart RestartSec KillMode TimeoutStopSec StateDirectoryMode SuccessExitStatus "
    "TimeoutStartSec Nice SystemCallErrorNumber".split()
)
# Control groups; processes of others in /proc, which takes a process id namespace; and what
# happens after the end. (An address space limit instead of MemoryMax is too little for
# AddressSanitizer's shadow.)
APART = set("MemoryMax TasksMax DevicePolicy ProtectProc RemoveIPC".split())

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER = 0x00020000, 0x04000000, 0x10000000
NAMESPACES = [CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER, 0x02000000, 0x08000000, 0x20000000,
              0x40000000]  # fmt: skip
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_CAP_AMBIENT = 38, 24, 47
SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING = 250, 1
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000


def call(done, what):
    if done < 0:
        number = ctypes.get_errno()
        raise SystemExit(f"confine: {what}: {os.strerror(number)}")


def mount(source, target, kind, flags, options=None):
    encoded = [v if v is None else os.fsencode(v) for v in (source, target, kind, options)]
    call(libc.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]), f"mount on {target}")


def bind(source, target):
    mount(source, target, None, MS_BIND | MS_REC)


def empty(target, mode="0"):
    """Nothing of a folder can be seen any more."""
    if pathlib.Path(target).is_dir():
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, f"mode={mode}")


def set_read_only(target, read_only, recursive):
    attributes = (ctypes.c_uint64 * 4)(*((MOUNT_ATTR_RDONLY, 0) if read_only else
                                         (0, MOUNT_ATTR_RDONLY)), 0, 0)  # fmt: skip
    flags = AT_RECURSIVE if recursive else 0
    done = libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, attributes, 32)
    call(done, f"mount_setattr of {target}")


# ---- the unit ----


def read_unit(path):
    """The settings of [Service] in order; an empty value is one, too."""
    text = pathlib.Path(path).read_text().split("[Service]")[1]
    lines = [line for line in text.splitlines() if re.match(r"\w+=", line)]
    return [line.split("=", 1) for line in lines]


def system_calls(values):
    """What the lines of SystemCallFilter allow: systemd.exec(5)."""
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True
    ).stdout
    groups, name = {}, None
    for line in listed.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif line.startswith("    ") and name and not line.strip().startswith("#"):
            groups[name].append(line.strip())

    def expand(word):
        if not word.startswith("@"):
            return {word}
        return set().union(*(expand(w) for w in groups[word]))

    assert not values[0].startswith("~"), "not a list of what is allowed"
    allowed = expand("@default")
    for value in values:
        words = set().union(*(expand(w) for w in value.lstrip("~").split()))
        allowed = allowed - words if value.startswith("~") else allowed | words
    return allowed


# ---- the restrictions ----


class Confinement:
    """One method a setting, in the order in which they have to come: mounts, then the rest.
    Rules for system calls are gathered, and loaded last."""

    def __init__(self, settings, folder):
        self.settings = settings
        self.folder = os.path.realpath(folder)
        self.rules = []
        known = HOW | APART | {n for n in dir(self) if n[0].isupper()}
        unknown = {name for name, _ in settings} - known
        assert not unknown, f"confine.py does not know {unknown}"

    def values(self, name):
        return [value for n, value in self.settings if n == name]

    def deny(self, call, *arguments, error=errno.EPERM):
        self.rules.append((error, call, arguments))

    def apply(self):
        # The process's own user stays; of all others it sees nobody (PrivateUsers).
        assert self.values("PrivateUsers") == ["yes"], "needs PrivateUsers"
        uid, gid = os.getuid(), os.getgid()
        kinds = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS
        call(libc.unshare(kinds), "unshare")
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        for name, method in type(self).__dict__.items():
            if name[0].isupper() and self.values(name):
                if re.match(r"Private|Protect|Restrict|Lock|NoNew|MemoryDeny", name):
                    off = [v for v in self.values(name) if v in ("no", "false", "off", "")]
                    assert not off, f"{name} is off"
                method(self, self.values(name))
        self.load()

    # Mounts. The folder with the state is inside of /tmp, in tests.

    def PrivateTmp(self, _):
        kept = os.open(self.folder, os.O_PATH)
        for place in ("/tmp", "/var/tmp"):
            empty(place, "1777")
        os.makedirs(self.folder, exist_ok=True)
        bind(f"/proc/self/fd/{kept}", self.folder)
        os.close(kept)
        os.chdir(self.folder)

    def PrivateUsers(self, _):
        pass

    def ProtectHome(self, _):
        for place in ("/home", "/root", "/run/user"):
            if not self.folder.startswith(place):
                empty(place)

    def PrivateDevices(self, _):
        old = os.open("/dev", os.O_PATH)
        mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            pathlib.Path("/dev", name).touch()
            bind(f"/proc/self/fd/{old}/{name}", f"/dev/{name}")
        os.mkdir("/dev/shm", 0o1777)
        os.close(old)
        self.deny("mknod", Arg(1, MASKED_EQ, 0o170000, stat.S_IFBLK))
        self.deny("mknod", Arg(1, MASKED_EQ, 0o170000, stat.S_IFCHR))
        for name in ("ioperm", "iopl"):
            self.deny(name)

    def ProtectKernelModules(self, _):
        empty("/usr/lib/modules")
        for name in ("init_module", "finit_module", "delete_module"):
            self.deny(name)

    def ProcSubset(self, values):
        """Only processes are left in /proc: the rest is empty instead of not there."""
        assert values == ["pid"]
        for path in pathlib.Path("/proc").iterdir():
            if path.name.isdigit() or path.is_symlink():
                continue
            if path.is_dir():
                empty(path)
            else:
                bind("/dev/null", path)

    def ProtectSystem(self, values):
        assert values == ["strict"]
        assert self.values("StateDirectory"), "nothing can be written"
        bind(self.folder, self.folder)
        set_read_only("/", True, recursive=True)
        for place in (self.folder, "/tmp", "/var/tmp", "/dev/shm"):
            if os.path.ismount(place):
                set_read_only(place, False, recursive=False)
        os.chdir(self.folder)

    def StateDirectory(self, _):
        pass

    # /proc/sys is empty, and /sys read only, by the two above.
    def ProtectKernelTunables(self, _):
        assert not os.access("/proc/sys/kernel", os.F_OK)

    def ProtectControlGroups(self, _):
        pass

    # The process.

    def UMask(self, values):
        os.umask(int(values[-1], 8))

    def LimitNOFILE(self, values):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(values[-1]), int(values[-1])))

    def KeyringMode(self, values):
        assert values == ["private"]
        call(libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None), "keyctl")

    def AmbientCapabilities(self, values):
        assert values == [""]
        call(libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0), "no ambient capabilities")

    def CapabilityBoundingSet(self, values):
        assert values == [""]
        last = int(self.last_capability)
        for number in range(last + 1):
            call(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "no capabilities")

    def NoNewPrivileges(self, _):
        call(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")

    # System calls.

    def ProtectClock(self, _):
        for name in ("clock_settime", "settimeofday", "adjtimex", "clock_adjtime"):
            self.deny(name)

    def ProtectHostname(self, _):
        for name in ("sethostname", "setdomainname"):
            self.deny(name)

    def ProtectKernelLogs(self, _):
        self.deny("syslog")

    def LockPersonality(self, _):
        self.deny("personality", Arg(0, NE, 0))

    def MemoryDenyWriteExecute(self, _):
        both = PROT_WRITE | PROT_EXEC
        self.deny("mmap", Arg(2, MASKED_EQ, both, both))
        self.deny("mprotect", Arg(2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
        self.deny("pkey_mprotect", Arg(2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
        self.deny("shmat", Arg(2, MASKED_EQ, SHM_EXEC, SHM_EXEC))

    def RestrictNamespaces(self, values):
        assert values == ["yes"]
        for flag in NAMESPACES:
            self.deny("unshare", Arg(0, MASKED_EQ, flag, flag))
            self.deny("clone", Arg(0, MASKED_EQ, flag, flag))
        self.deny("setns")
        # Its flags are in memory: as if the kernel had none, and libc takes clone then.
        self.deny("clone3", error=errno.ENOSYS)

    def RestrictRealtime(self, _):
        for policy in (1, 2, 6):  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE
            self.deny("sched_setscheduler", Arg(1, MASKED_EQ, 0xFF, policy))

    def RestrictSUIDSGID(self, _):
        for call, argument in {
            "chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1,
            "mknodat": 2, "creat": 1,
        }.items():  # fmt: skip
            for bit in (stat.S_ISUID, stat.S_ISGID):
                self.deny(call, Arg(argument, MASKED_EQ, bit, bit))
        for bit in (stat.S_ISUID, stat.S_ISGID):
            made = os.O_CREAT
            self.deny("open", Arg(1, MASKED_EQ, made, made), Arg(2, MASKED_EQ, bit, bit))
            self.deny("openat", Arg(2, MASKED_EQ, made, made), Arg(3, MASKED_EQ, bit, bit))

    def RestrictAddressFamilies(self, values):
        families = sorted(getattr(socket, name) for name in " ".join(values).split())
        denied = set(range(families[-1])) - set(families)
        conditions = [Arg(0, GT, families[-1]), *(Arg(0, EQ, f) for f in denied)]
        for condition in conditions:
            self.deny("socket", condition, error=errno.EAFNOSUPPORT)

    def SystemCallArchitectures(self, values):
        assert values == ["native"]  # libseccomp's own default

    def SystemCallFilter(self, values):
        assert self.values("SystemCallErrorNumber") == ["EPERM"]
        self.allowed = system_calls(values)

    def load(self):
        """The most restrictive of two filters counts."""
        rules = seccomp.SyscallFilter(ALLOW)
        for error, name, arguments in self.rules:
            rules.add_rule(ERRNO(error), name, *arguments)
        allowed = seccomp.SyscallFilter(ERRNO(errno.EPERM))
        for name in self.allowed:
            if seccomp.resolve_syscall(seccomp.Arch(), name) >= 0:
                allowed.add_rule(ALLOW, name)
        rules.load()
        allowed.load()


def main(unit, folder, program, *arguments):
    environment = dict(os.environ)
    environment.pop("LC_CTYPE", None)  # Python's own
    confinement = Confinement(read_unit(unit), folder)
    confinement.last_capability = pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text()
    program = os.path.realpath(program)
    confinement.apply()
    os.execve(program, [program, *arguments], environment)


if __name__ == "__main__":
    main(*sys.argv[1:])
