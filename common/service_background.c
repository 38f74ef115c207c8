/* A renewal in a process of its own, for programs that have no supervisor. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service.h"

typedef int (*opener)(const struct settings *, struct service **, struct oam_error *);

static void renew(const struct settings *settings, opener open)
{
	const struct service_renewal renewal = { .reason = REASON_EXPIRY };
	struct service *service;
	struct oam_error err = { 0 };

	if (open(settings, &service, &err) == 0)
		service_renew(service, &renewal, &err);
	service_close(service);
}

void service_renew_in_background(const struct settings *settings, opener open)
{
	pid_t pid = fork();

	if (pid > 0)
		waitpid(pid, NULL,
			0); /* it ends at once; its child is init's to collect */
	if (pid != 0)
		return;
	setsid();
	/* Whoever reads our output must not wait for this process to end. */
	if (freopen("/dev/null", "r", stdin) && freopen("/dev/null", "w", stdout) &&
	    freopen("/dev/null", "w", stderr) && fork() == 0)
		renew(settings, open);
	_exit(0);
}
