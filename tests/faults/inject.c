/*
 * inject: loaded before a program (LD_PRELOAD), makes what it needs run out.
 *
 *	INJECT=KIND,N,once	the Nth call of the kind fails, of all that the process
 *				and those that it forks make; 0: they are only counted
 *	INJECT=KIND,N,always	it, and all that come after it
 *	INJECT_REPORT=FILE	each process adds a line at its end: how many calls there
 *				were, and how many of them failed
 *	INJECT_PLACES=FILE	each call adds 8 bytes that tell from where it came, so that
 *				calls from the same place can be told
 *	INJECT_TRACE=1		says on standard error where the first one failed
 *
 * Kinds: "alloc", memory; "vfs", SQLite's calls of its operating system; "full", only those
 * of them that write, as on a full disk; "file", the system calls for files, locks and
 * processes, but not those on the standard descriptors; "nofile", no more than N
 * descriptors.
 *
 * Counting begins with main(): what comes before is the loader's. It sits above
 * AddressSanitizer, which goes on watching (ASAN_OPTIONS=verify_asan_link_order=0).
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum kind { NOTHING, ALLOC, VFS, FULL, SYSTEM };

static struct {
	enum kind kind; /* NOTHING before main() and after its end */
	bool always;
	long at;
	struct {
		long calls, failed;
	} * seen; /* by a process and those that it forks */
	const char *report;
	bool trace;
	int places; /* descriptor, or -1 */
	struct rlimit files;
} inject = { .places = -1 };

void __sanitizer_print_stack_trace(void) __attribute__((weak));

static void tell_place(void)
{
	uint64_t place = 14695981039346656037U; /* FNV-1a, of whole addresses */
	void *frames[7];
	int count = backtrace(frames, 7);

	for (int i = 1; i < count; i++)
		place = (place ^ (uintptr_t)frames[i]) * 1099511628211U;
	syscall(SYS_write, inject.places, &place, sizeof(place));
}

/* True when this call is one that fails. */
static bool fails(enum kind kind)
{
	static __thread bool inside; /* the trace allocates, too */
	long call;

	if (inject.kind != kind || inside)
		return false;
	call = __atomic_add_fetch(&inject.seen->calls, 1, __ATOMIC_RELAXED);
	if (inject.places >= 0) {
		inside = true;
		tell_place();
		inside = false;
	}
	if (inject.at == 0 || call < inject.at || (call > inject.at && !inject.always))
		return false;
	if (__atomic_add_fetch(&inject.seen->failed, 1, __ATOMIC_RELAXED) == 1 &&
	    inject.trace && __sanitizer_print_stack_trace) {
		inside = true;
		__sanitizer_print_stack_trace();
		inside = false;
	}
	return true;
}

/* The function of the same name that would have been called without us. */
#define NEXT(function) ((__typeof__(&function))next(#function))

static void *next(const char *name)
{
	enum kind kind = inject.kind;
	void *function;

	inject.kind = NOTHING;
	function = dlsym(RTLD_NEXT, name);
	inject.kind = kind;
	return function;
}

/* ---- memory ---- */

/* dlsym() allocates: so these are named by what they are with and without sanitizers. */
#define ALLOCATOR(name, parameters, arguments) \
	void *__interceptor_##name parameters __attribute__((weak)); \
	void *__libc_##name parameters; \
	PUBLIC void *name parameters \
	{ \
		if (fails(ALLOC)) { \
			errno = ENOMEM; \
			return NULL; \
		} \
		return __interceptor_##name ? __interceptor_##name arguments \
					    : __libc_##name arguments; \
	}

ALLOCATOR(malloc, (size_t size), (size))
ALLOCATOR(calloc, (size_t count, size_t size), (count, size))
ALLOCATOR(realloc, (void *old, size_t size), (old, size))

/* AddressSanitizer's own would not come by malloc(). */
PUBLIC char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

PUBLIC char *strndup(const char *text, size_t limit)
{
	size_t length = strnlen(text, limit);
	char *copy = malloc(length + 1);

	if (copy)
		*(char *)mempcpy(copy, text, length) = '\0';
	return copy;
}

/* ---- SQLite's files ---- */

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_vfs shim;
static sqlite3_vfs *real_vfs;

static sqlite3_file *real(sqlite3_file *file)
{
	return ((struct shim_file *)(void *)file)->real;
}

#define METHOD(name, code, parameters, arguments) \
	static int shim_##name parameters \
	{ \
		return fails(VFS) ? code : real(file)->pMethods->name arguments; \
	}

METHOD(xRead, SQLITE_IOERR_READ,
       (sqlite3_file * file, void *to, int size, sqlite3_int64 at),
       (real(file), to, size, at))
METHOD(xTruncate, SQLITE_IOERR_TRUNCATE, (sqlite3_file * file, sqlite3_int64 size),
       (real(file), size))
METHOD(xSync, SQLITE_IOERR_FSYNC, (sqlite3_file * file, int flags), (real(file), flags))
METHOD(xFileSize, SQLITE_IOERR_FSTAT, (sqlite3_file * file, sqlite3_int64 *size),
       (real(file), size))
METHOD(xLock, SQLITE_IOERR_LOCK, (sqlite3_file * file, int lock), (real(file), lock))
METHOD(xUnlock, SQLITE_IOERR_UNLOCK, (sqlite3_file * file, int lock), (real(file), lock))
METHOD(xCheckReservedLock, SQLITE_IOERR_CHECKRESERVEDLOCK,
       (sqlite3_file * file, int *held), (real(file), held))

static int shim_xWrite(sqlite3_file *file, const void *from, int size, sqlite3_int64 at)
{
	if (fails(VFS))
		return SQLITE_IOERR_WRITE;
	if (fails(FULL))
		return SQLITE_FULL;
	return real(file)->pMethods->xWrite(real(file), from, size, at);
}

static int shim_xClose(sqlite3_file *file)
{
	return real(file)->pMethods->xClose(real(file));
}

static int shim_xFileControl(sqlite3_file *file, int operation, void *argument)
{
	return real(file)->pMethods->xFileControl(real(file), operation, argument);
}

static int shim_xSectorSize(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int shim_xDeviceCharacteristics(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int shim_xOpen(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file,
		      int flags, int *out)
{
	static const sqlite3_io_methods methods = {
		.iVersion = 1,
		.xClose = shim_xClose,
		.xRead = shim_xRead,
		.xWrite = shim_xWrite,
		.xTruncate = shim_xTruncate,
		.xSync = shim_xSync,
		.xFileSize = shim_xFileSize,
		.xLock = shim_xLock,
		.xUnlock = shim_xUnlock,
		.xCheckReservedLock = shim_xCheckReservedLock,
		.xFileControl = shim_xFileControl,
		.xSectorSize = shim_xSectorSize,
		.xDeviceCharacteristics = shim_xDeviceCharacteristics,
	};
	struct shim_file *own = (struct shim_file *)(void *)file;
	int result;

	(void)vfs;
	own->base.pMethods = NULL;
	own->real = (sqlite3_file *)(void *)(own + 1);
	if (fails(VFS))
		return SQLITE_CANTOPEN;
	result = real_vfs->xOpen(real_vfs, name, own->real, flags, out);
	if (own->real->pMethods)
		own->base.pMethods = &methods;
	return result;
}

static int shim_xDelete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	return fails(VFS) ? SQLITE_IOERR_DELETE : real_vfs->xDelete(real_vfs, name, sync);
}

static int shim_xAccess(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	(void)vfs;
	return fails(VFS) ? SQLITE_IOERR_ACCESS
			  : real_vfs->xAccess(real_vfs, name, flags, result);
}

static int shim_xFullPathname(sqlite3_vfs *vfs, const char *name, int size, char *full)
{
	(void)vfs;
	return fails(VFS) ? SQLITE_CANTOPEN_FULLPATH
			  : real_vfs->xFullPathname(real_vfs, name, size, full);
}

static void register_shim(void)
{
	/* Not every program has SQLite. */
	sqlite3_vfs *(*find)(const char *) = (sqlite3_vfs * (*)(const char *))
		next("sqlite3_vfs_find");
	int (*add)(sqlite3_vfs *,
		   int) = (int (*)(sqlite3_vfs *, int))next("sqlite3_vfs_register");

	real_vfs = find ? find(NULL) : NULL;
	if (!real_vfs)
		return;
	shim = *real_vfs;
	shim.szOsFile += (int)sizeof(struct shim_file);
	shim.zName = "inject";
	shim.xOpen = shim_xOpen;
	shim.xDelete = shim_xDelete;
	shim.xAccess = shim_xAccess;
	shim.xFullPathname = shim_xFullPathname;
	add(&shim, 1);
}

/* ---- system calls ---- */

#define CALL(type, name, cause, is_ours, parameters, arguments) \
	PUBLIC type name parameters \
	{ \
		static type(*real_one) parameters; \
		if ((is_ours) && fails(SYSTEM)) { \
			errno = cause; \
			return -1; \
		} \
		if (!real_one) \
			real_one = NEXT(name); \
		return real_one arguments; \
	}

CALL(ssize_t, read, EIO, fd > 2, (int fd, void *to, size_t size), (fd, to, size))
CALL(ssize_t, write, ENOSPC, fd > 2, (int fd, const void *from, size_t size),
     (fd, from, size))
CALL(ssize_t, pread64, EIO, fd > 2, (int fd, void *to, size_t size, off_t at),
     (fd, to, size, at))
CALL(ssize_t, pwrite64, ENOSPC, fd > 2, (int fd, const void *from, size_t size, off_t at),
     (fd, from, size, at))
CALL(int, fsync, EIO, fd > 2, (int fd), (fd))
CALL(int, fdatasync, EIO, fd > 2, (int fd), (fd))
CALL(int, ftruncate64, EIO, fd > 2, (int fd, off_t size), (fd, size))
CALL(int, fstat64, EIO, fd > 2, (int fd, struct stat64 *status), (fd, status))
CALL(int, fstat, EIO, fd > 2, (int fd, struct stat *status), (fd, status))
CALL(int, stat, EIO, true, (const char *path, struct stat *status), (path, status))
CALL(int, stat64, EIO, true, (const char *path, struct stat64 *status), (path, status))
CALL(int, fstatat, EIO, true, (int at, const char *path, struct stat *status, int flags),
     (at, path, status, flags))
CALL(int, access, EACCES, true, (const char *path, int mode), (path, mode))
CALL(int, fchmod, EPERM, fd > 2, (int fd, mode_t mode), (fd, mode))
CALL(int, renameat2, ENOSPC, true,
     (int a, const char *from, int b, const char *to, unsigned int flags),
     (a, from, b, to, flags))
CALL(int, linkat, ENOSPC, true,
     (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
CALL(int, unlink, EIO, true, (const char *path), (path))
CALL(int, unlinkat, EIO, true, (int at, const char *path, int flags), (at, path, flags))
CALL(int, mkdir, ENOSPC, true, (const char *path, mode_t mode), (path, mode))
CALL(int, renameat, ENOSPC, true, (int a, const char *from, int b, const char *to),
     (a, from, b, to))
CALL(int, rename, ENOSPC, true, (const char *from, const char *to), (from, to))
CALL(int, fchown, EPERM, fd > 2, (int fd, uid_t owner, gid_t group), (fd, owner, group))
CALL(ssize_t, flistxattr, EIO, fd > 2, (int fd, char *names, size_t size),
     (fd, names, size))
CALL(ssize_t, fgetxattr, EIO, fd > 2, (int fd, const char *name, void *to, size_t size),
     (fd, name, to, size))
CALL(int, fsetxattr, ENOSPC, fd > 2,
     (int fd, const char *name, const void *from, size_t size, int flags),
     (fd, name, from, size, flags))
CALL(int, fremovexattr, EIO, fd > 2, (int fd, const char *name), (fd, name))
CALL(ssize_t, readlink, EIO, true, (const char *path, char *to, size_t size),
     (path, to, size))
CALL(ssize_t, getrandom, EIO, true, (void *to, size_t size, unsigned int flags),
     (to, size, flags))
CALL(pid_t, fork, EAGAIN, true, (void), ())

/* The calls that may have one argument more; what it is does not matter here. */
#define CALL_MORE(name, cause, is_ours, last, parameters, arguments) \
	PUBLIC int name parameters \
	{ \
		static int(*real_one) parameters; \
		va_list more; \
		long argument; \
		va_start(more, last); \
		argument = va_arg(more, long); \
		va_end(more); \
		if ((is_ours) && fails(SYSTEM)) { \
			errno = cause; \
			return -1; \
		} \
		if (!real_one) \
			real_one = NEXT(name); \
		return real_one arguments; \
	}

CALL_MORE(open, EMFILE, true, flags, (const char *path, int flags, ...),
	  (path, flags, argument))
CALL_MORE(open64, EMFILE, true, flags, (const char *path, int flags, ...),
	  (path, flags, argument))
CALL_MORE(openat, EMFILE, true, flags, (int at, const char *path, int flags, ...),
	  (at, path, flags, argument))
CALL_MORE(fcntl, EIO, fd > 2, operation, (int fd, int operation, ...),
	  (fd, operation, argument))
CALL_MORE(fcntl64, EIO, fd > 2, operation, (int fd, int operation, ...),
	  (fd, operation, argument))

/* ---- from main() to its end ---- */

static void finish(void)
{
	char line[64];
	int fd, length;

	if (!inject.seen || (inject.kind == NOTHING && inject.at == 0))
		return;
	inject.kind = NOTHING;
	if (inject.files.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &inject.files); /* LeakSanitizer needs some */
	length = snprintf(line, sizeof(line), "%ld %ld\n", inject.seen->calls,
			  inject.seen->failed);
	fd = inject.report ? (int)syscall(SYS_openat, AT_FDCWD, inject.report,
					  O_WRONLY | O_CREAT | O_APPEND, 0600)
			   : -1;
	if (fd >= 0) {
		syscall(SYS_write, fd, line, length);
		syscall(SYS_close, fd);
	}
}

PUBLIC void _exit(int status)
{
	finish();
	NEXT(_exit)(status);
	__builtin_unreachable();
}

static void start(void)
{
	static const char *const names[] = { "", "alloc", "vfs", "full", "file" };
	char kind[8] = "", how[8] = "";
	const char *what = getenv("INJECT");
	enum kind found = NOTHING;

	if (!what || sscanf(what, "%7[a-z],%ld,%7[a-z]", kind, &inject.at, how) < 2)
		return;
	inject.seen = mmap(NULL, sizeof(*inject.seen), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (inject.seen == MAP_FAILED)
		abort();
	inject.always = strcmp(how, "always") == 0;
	inject.report = getenv("INJECT_REPORT");
	inject.trace = getenv("INJECT_TRACE") != NULL;
	if (strcmp(kind, "nofile") == 0) {
		struct rlimit limit;

		getrlimit(RLIMIT_NOFILE, &limit);
		inject.files = limit;
		limit.rlim_cur = (rlim_t)inject.at;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(kind, names[i]) == 0)
			found = (enum kind)i;
	if (found == VFS || found == FULL)
		register_shim();
	if (getenv("INJECT_PLACES"))
		inject.places = (int)syscall(SYS_openat, AT_FDCWD,
					     getenv("INJECT_PLACES"),
					     O_WRONLY | O_CREAT | O_APPEND, 0600);
	atexit(finish);
	inject.kind = found;
}

static int (*real_main)(int, char **, char **);

static int wrapped_main(int argc, char **argv, char **environment)
{
	start();
	return real_main(argc, argv, environment);
}

PUBLIC int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
			     void (*init)(void), void (*fini)(void),
			     void (*rtld_fini)(void), void *stack_end);

PUBLIC int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
			     void (*init)(void), void (*fini)(void),
			     void (*rtld_fini)(void), void *stack_end)
{
	real_main = main;
	return NEXT(__libc_start_main)(wrapped_main, argc, argv, init, fini, rtld_fini,
				       stack_end);
}
