/* Prints the assistant id to use now: cc current.c $(pkg-config --cflags --libs oam) */
#include <oam.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	char id[OAM_ID_SIZE];
	struct oam *oam;
	char *status;

	if (oam_open(argc > 1 ? argv[1] : NULL, &oam) || oam_current(oam, NULL, id)) {
		fprintf(stderr, "%s\n", oam_error_message(oam));
		oam_close(oam);
		return 1;
	}
	puts(id);
	if (oam_status(oam, NULL, &status) == 0)
		puts(status);
	free(status);
	oam_close(oam);
	return 0;
}
