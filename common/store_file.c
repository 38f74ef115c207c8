/* The file under an open store: which one it is, and whether somebody has changed it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_migrate.h"
#include "store_query.h"

int store_file_remember(struct store *store, const char *path, struct oam_error *err)
{
	struct stat status;

	store->path = strdup(path);
	if (!store->path)
		return error_set(err, NO_MEMORY, NULL);
	if (stat(path, &status)) {
		error_set(err, STORE_SCHEMA, NULL, 0, store_migrations_count);
		return error_detail(err, "%s: %m", path);
	}
	store->device = status.st_dev;
	store->inode = status.st_ino;
	return 0;
}

bool store_was_replaced(const struct store *store)
{
	struct stat status;

	return stat(store->path, &status) || status.st_dev != store->device ||
	       status.st_ino != store->inode;
}

bool store_is_writable(const struct store *store)
{
	const char *path = sqlite3_db_filename(store->db, "main"); /* links resolved */
	const char *slash = path ? strrchr(path, '/') : NULL;
	char *folder;
	bool writable;

	if (sqlite3_db_readonly(store->db, "main") != 0)
		return false;
	folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
	writable = !folder || faccessat(AT_FDCWD, folder, W_OK, AT_EACCESS) == 0;
	free(folder);
	return writable;
}

/* Where the header has what is read here (sqlite.org/fileformat2.html, 1.3). */
#define VERSIONS_AT  18 /* of the format for writing and reading; 1: rollback journal */
#define COUNTER_AT   24
#define HEADER_BYTES (COUNTER_AT + 4 - VERSIONS_AT)

bool store_file_counter(const struct store *store, uint32_t *counter)
{
	unsigned char bytes[HEADER_BYTES];
	const unsigned char *number = bytes + (COUNTER_AT - VERSIONS_AT);
	sqlite3_file *file = NULL;

	/* SQLite's own descriptor: to close another one would drop SQLite's locks. */
	if (!sqlite3_get_autocommit(store->db) ||
	    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
		    SQLITE_OK ||
	    !file->pMethods ||
	    file->pMethods->xRead(file, bytes, sizeof(bytes), VERSIONS_AT) != SQLITE_OK)
		return false;
	*counter = (uint32_t)number[0] << 24 | (uint32_t)number[1] << 16 |
		   (uint32_t)number[2] << 8 | number[3];
	return bytes[0] == 1 && bytes[1] == 1;
}
