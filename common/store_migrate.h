/* store_migrate: the numbered migrations of sql/, compiled in. Version = how many. */
#ifndef OAM_STORE_MIGRATE_H
#define OAM_STORE_MIGRATE_H

extern const char *const store_migrations[];
extern const int store_migrations_count;

#endif
