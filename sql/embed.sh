#!/bin/sh
# Prints a C table of the given migrations, in order: sql/embed.sh sql/0001-initial.sql …
set -eu
echo '/* Made by sql/embed.sh. Do not edit. */'
echo '#include "store_migrate.h"'
echo 'const char *const store_migrations[] = {'
for file in "$@"; do
	printf '/* %s */\n' "$file"
	sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$file"
	echo ','
done
echo '};'
echo "const int store_migrations_count = $#;"
