/*
 * What FastCGI itself costs: the same number of prefork workers, a constant answer, nothing
 * else. OAM_WORKERS says how many.
 */
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(void)
{
	FCGX_Request request;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	FCGX_Init();
	FCGX_InitRequest(&request, STDIN_FILENO, 0);
	while (FCGX_Accept_r(&request) == 0) {
		FCGX_FPrintF(request.out, "Status: 200 OK\r\n"
					  "Content-Type: application/json\r\n"
					  "Content-Length: 2\r\n\r\n{}");
		FCGX_Finish_r(&request);
	}
	_exit(0);
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid == 0)
		work();
	return pid;
}

int main(void)
{
	const char *workers = getenv("OAM_WORKERS");

	for (int i = workers ? (int)strtol(workers, NULL, 10) : 2; i > 0; i--)
		start();
	while (wait(NULL) > 0)
		;
	return 0;
}
