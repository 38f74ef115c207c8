/* oam-refresh: looks whether anything is due, and lets oam do it. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "refresh.h"

/* The program that stands beside this one. */
static int become_oam(char **argv)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (length > 0) {
		path[length] = '\0';
		slash = strrchr(path, '-');
		if (slash)
			*slash = '\0'; /* …/oam */
		execv(path, argv);
	}
	fprintf(stderr, "oam-refresh: cannot run oam: %s\n", strerror(errno));
	return STATUS_FAILED;
}

int main(int argc, char **argv)
{
	char name[] = "oam-refresh";
	int status = refresh_main(argc, argv, service_open_store, true);

	if (status != REFRESH_HAS_WORK)
		return status;
	argv[0] = name; /* by which oam knows what it is to do */
	return become_oam(argv);
}
