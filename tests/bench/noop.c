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

/* The same bytes as of `current`, so that moving them costs the same. */
static const char answer[] =
	"Status: 200 OK\r\n"
	"Content-Type: application/json\r\n"
	"Content-Length: 130\r\n"
	"Cache-Control: no-store\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"X-Request-Id: req_0123456789abcdefghijkl\r\n\r\n"
	"{\"success\":true,\"message\":\"Current assistant retrieved.\",\"data\":{"
	"\"assistantId\":\"asst_0123456789abcdefghijklmn\",\"status\":\"active\"}}";

static void work(void)
{
	FCGX_Request request;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	FCGX_Init();
	FCGX_InitRequest(&request, STDIN_FILENO, 0);
	while (FCGX_Accept_r(&request) == 0) {
		FCGX_PutStr(answer, sizeof(answer) - 1, request.out);
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
