/*
 * measure TIMES PROGRAM [ARGUMENT…]: runs it so many times, one after the other, and prints
 * the median and the 99th percentile of its wall time in ms and its peak memory in KiB.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* One run's time; *peak grows with its memory. */
static double run(char **command, long *peak)
{
	double start = now();
	struct rusage usage;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		execvp(command[0], command);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) < 0 || status != 0)
		exit(1);
	if (usage.ru_maxrss > *peak)
		*peak = usage.ru_maxrss;
	return now() - start;
}

int main(int argc, char **argv)
{
	int times = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0;
	double *took = times > 0 ? calloc((size_t)times, sizeof(*took)) : NULL;
	long peak = 0;

	if (!took)
		return 2;
	for (int i = 0; i < times; i++)
		took[i] = run(argv + 2, &peak);
	qsort(took, (size_t)times, sizeof(*took), compare);
	printf("%.3f %.3f %ld\n", took[times / 2], took[times * 99 / 100], peak);
	return 0;
}
