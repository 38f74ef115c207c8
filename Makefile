# oam, the OpenAI Assistant Manager.
#
#   make          build into build/
#   make run      install what is missing, build, serve on 127.0.0.1:${PORT:-8080}
#   make check    install what the tests need, run all of them
#   make install  into DESTDIR/PREFIX (/usr/local); make uninstall takes it away again
#   make fuzz     each fuzzer for FUZZ_SECONDS (60); what they find is kept in build/fuzz/corpus
#   make bench    measures it beside others doing the same; takes some minutes
#   make soak     SOAK_REQUESTS (1,000,000) from SOAK_CLIENTS (200) while cron refreshes
#   make deb      the Debian packages, into build/deb; make check-deb tries them in a container
#   make valgrind the unit tests under valgrind
#   make coverage which lines and branches the tests reach
#   make lint     static analysis: clang-tidy, gcc's analyzer, cppcheck, shellcheck, mandoc
#   make format   clang-format over all sources
#   make clean
#
# V=1 shows whole commands; SANITIZE=1 builds with AddressSanitizer and UBSan; B=DIR builds into another folder.

B        ?= build
ifeq ($(origin CC),default)
CC = gcc
endif
SANITIZE ?=
COVERAGE ?=
FUZZ     ?=

FUZZ_SECONDS ?= 60

Q        := $(if $(V),,@)

WARNINGS  = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
            -Wno-missing-field-initializers -Wno-format-truncation -Werror
HARDENING = -fstack-protector-strong -D_FORTIFY_SOURCE=2
OPTIMIZE  = -O2 -g

ifneq ($(SANITIZE),)
OPTIMIZE  = -O1 -g
HARDENING = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
# What ends by _exit(2) would lose its counts.
ifneq ($(COVERAGE),)
OPTIMIZE  = -O0 -g --coverage
HARDENING = -D_exit=exit
endif
ifneq ($(FUZZ),)
override CC = clang
OPTIMIZE  = -O1 -g
WARNINGS += -Wno-unknown-warning-option
HARDENING = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif

override CFLAGS   += -std=gnu17 $(OPTIMIZE) $(WARNINGS) $(HARDENING) \
                     -ffunction-sections -fdata-sections -fPIC -fvisibility=hidden
override CPPFLAGS += -D_GNU_SOURCE -DOAM_VERSION='"$(VERSION)"' -Icommon
override LDFLAGS  += -pie -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now
LDLIBS             = -lfcgi -lcurl -ljwt -lcrypto -ljson-c -lsqlite3 -lm

# Where `make install` puts things.
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
# Set it to install the systemd units, too: /usr/local/lib/systemd/system, for example.
SYSTEMDDIR  ?=
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d

COMMON   := $(wildcard common/*.c)
SQL      := $(sort $(wildcard sql/*.sql))
ENDPOINT := $(patsubst cgi/%.c,$(B)/cgi/%,$(wildcard cgi/*.c))
COMMAND  := $(B)/cli/oam $(B)/cli/oam-refresh
CLI      := $(filter-out $(COMMAND:$(B)/%=%.c),$(wildcard cli/*.c))
VERSION  := 0.2.0
UNIT     := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
OBJECTS  := $(COMMON:%.c=$(B)/%.o) $(B)/sql/migrations.o
LIBRARY  := $(filter-out $(B)/common/endpoint% $(B)/common/token%,$(OBJECTS))
FUZZER   := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
SONAME   := liboam.so.0

.PHONY: all run check unit inject fuzz fuzzers bench soak valgrind coverage lint format install uninstall deb check-deb clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(ENDPOINT) $(COMMAND) $(B)/liboam.a $(B)/$(SONAME)

$(B)/common.a: $(OBJECTS)
	@echo 'AR $@'
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo 'CC $@'
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# liboam for other programs: only what oam.h declares can be seen.
$(B)/liboam.a: $(LIBRARY)
	@echo 'AR $@'
	$(Q)ld -r -o $(B)/liboam.o $^
	$(Q)objcopy --localize-hidden $(B)/liboam.o
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(B)/liboam.o

$(B)/$(SONAME): $(LIBRARY)
	@echo 'LD $@'
	$(Q)$(CC) -shared $(CFLAGS) -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now \
	    -Wl,-soname,$(SONAME) -o $@ $^ $(LDLIBS)

# The numbered migrations become one table of C strings.
$(B)/sql/migrations.c: sql/embed.sh $(SQL)
	@mkdir -p $(@D)
	$(Q)sh sql/embed.sh $(SQL) > $@

$(B)/sql/migrations.o: $(B)/sql/migrations.c Makefile
	@echo 'CC $@'
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(ENDPOINT): $(B)/cgi/%: $(B)/cgi/%.o $(B)/common.a
	@echo 'LD $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# An archive, so that a command takes only what it uses.
$(B)/cli/commands.a: $(CLI:%.c=$(B)/%.o)
	@echo 'AR $@'
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(COMMAND): $(B)/cli/%: $(B)/cli/%.o $(B)/cli/commands.a $(B)/common.a
	@mkdir -p $(@D)
	@echo 'LD $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

unit: $(UNIT)

# Not sanitized itself: it is loaded before the sanitizer that watches the programs.
inject: $(B)/tests/faults/inject.so

$(B)/tests/faults/inject.so: tests/faults/inject.c Makefile
	@mkdir -p $(@D)
	@echo 'LD $@'
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -O1 -g -fno-builtin $(WARNINGS) -Wno-cast-function-type \
	    -fPIC -fvisibility=hidden -shared -o $@ $<

$(UNIT): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/common.a
	@echo 'LD $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# Built by clang into a folder of their own, with FUZZ=1. A fuzzer's own fakes come before
# what they stand for in the archive.
fuzzers: $(FUZZER)

$(FUZZER): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/common.a
	@echo 'LD $@'
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer -pie -o $@ $^ $(LDLIBS)

run:
	deploy/install-packages run
	$(MAKE) -j2 all
	deploy/quickstart

# The sanitized build lives beside the plain one. The tests drive both from outside.
check:
	deploy/install-packages run check fuzz
	$(MAKE) -j2 all
	$(MAKE) -j2 B=$(B)/check SANITIZE=1 all unit inject
	! command -v clang >/dev/null || $(MAKE) -j2 B=$(B)/fuzz FUZZ=1 fuzzers
	tests/run $(B)/check $(TESTS)

fuzz:
	deploy/install-packages run fuzz
	$(MAKE) -j2 B=$(B)/fuzz FUZZ=1 fuzzers
	tests/fuzz/run $(B)/fuzz $(FUZZ_SECONDS) $(FUZZER:$(B)/tests/fuzz/fuzz_%=%)

# The rivals are built from their sources: better-sqlite3 with Node's own headers, if it
# can be; store.js takes something else otherwise.
bench:
	deploy/install-packages run check bench
	$(MAKE) -j2 all $(B)/bench/noop $(B)/bench/measure
	mkdir -p $(B)/bench/rivals
	cp tests/bench/rivals/*.js* $(B)/bench/rivals
	cd $(B)/bench/rivals && [ -d node_modules ] || { npm ci --ignore-scripts --no-audit --no-fund && \
	    npm_config_build_from_source=true npm_config_nodedir=/usr npm rebuild better-sqlite3 || \
	    echo 'bench: no better-sqlite3' >&2; }
	PATH=$$PATH:/usr/sbin PYTHONDONTWRITEBYTECODE=1 \
	    /usr/bin/python3 tests/bench/run.py $(B)
	PATH=$$PATH:/usr/sbin PYTHONDONTWRITEBYTECODE=1 OAM_BUILD=$(abspath $(B)) \
	    /usr/bin/python3 tests/bench/growth.py

soak:
	deploy/install-packages run check
	$(MAKE) -j2 all
	PATH=$$PATH:/usr/sbin PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/bench/soak.py $(B)

$(B)/bench/%: tests/bench/%.c Makefile
	@mkdir -p $(@D)
	@echo 'LD $@'
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -lfcgi

# Of valgrind 3.19, Debian 12's, the hooks cannot have pidfd_open(2).
valgrind:
	deploy/install-packages run check
	$(MAKE) -j2 B=$(B)/valgrind HARDENING= unit
	printf '%s\n' $(filter-out %/test_hooks,$(UNIT:$(B)/%=$(B)/valgrind/%)) | \
	    $(ONE_EACH) tests/valgrind '{}'

# Not what gcov's own functions and allocations confuse. SIGKILL loses the counts of
# a process, so few kills have to do there.
COVERED  ?= tests/unit tests/http tests/faults --ignore=tests/faults/test_exhaustion.py \
            --deselect=tests/http/test_install.py::test_only_public_names_are_exported \
            '--deselect=tests/http/test_install.py::test_the_example_program[static]'

coverage:
	deploy/install-packages run check
	$(MAKE) -j2 B=$(B)/coverage COVERAGE=1 all unit inject
	find $(B)/coverage -name '*.gcda' -delete
	KILLS=10 tests/run $(B)/coverage $(COVERED); tested=$$?; \
	    /usr/bin/python3 tests/coverage.py $(B)/coverage && exit $$tested

SOURCES  := $(COMMON) $(wildcard cgi/*.c cli/*.c)
TESTING  := $(wildcard tests/*/*.c)
FORMATTED = $(SOURCES) $(TESTING) $(wildcard common/*.h cli/*.h tests/*/*.h)
ONE_EACH  = xargs -P $$(nproc) -I '{}'
SCRIPTS   = git ls-files | xargs awk 'FNR == 1 && /^\#!.*sh$$/ { print FILENAME } { nextfile }'

# gcc's analyzer knows only C that is compiled; -O2, so that it meets what runs.
lint:
	deploy/install-packages run check lint
	clang-format --dry-run --Werror $(FORMATTED)
	printf '%s\n' $(SOURCES) | $(ONE_EACH) $(CC) $(CPPFLAGS) $(CFLAGS) -fanalyzer -c -o /dev/null '{}'
	printf '%s\n' $(SOURCES) $(TESTING) | $(ONE_EACH) clang-tidy --quiet '{}' -- \
	    $(CPPFLAGS) -std=gnu17 2>/dev/null
	cppcheck --quiet --error-exitcode=1 -j $$(nproc) --std=c11 \
	    --enable=warning,performance,portability --suppress=varFuncNullUB \
	    -Icommon -D_GNU_SOURCE common cgi cli
	$(SCRIPTS) | xargs shellcheck
	shellcheck -s bash cli/oam.bash-completion
	mandoc -T lint -W warning cli/oam.1 cli/oam-refresh.8 cli/oam.env.5

format:
	clang-format -i $(FORMATTED)

DEPLOYED   = $(addprefix deploy/,apache cron examples lighttpd nginx oam-fcgi systemd sysusers.d tmpfiles.d)
UNITS     := $(wildcard deploy/systemd/oam*)
SET_PLACES = sed -i -e 's|/usr/local/libexec/oam|$(LIBEXECDIR)/oam|g' \
    -e 's|/usr/local/share/oam|$(DATADIR)/oam|g' -e 's|/usr/local/bin|$(BINDIR)|g'

# DESTDIR and the directories above are respected.
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR)/oam $(DESTDIR)$(LIBDIR)/pkgconfig \
	    $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 \
	    $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(DATADIR)/bash-completion/completions \
	    $(DESTDIR)$(DATADIR)/oam/sql $(DESTDIR)$(DATADIR)/oam/deploy
	install -m 755 $(COMMAND) $(DESTDIR)$(BINDIR)
	install -m 755 $(ENDPOINT) $(DESTDIR)$(LIBEXECDIR)/oam
	install -m 644 $(B)/liboam.a $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/liboam.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' common/oam.pc.in \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/oam.pc
	install -m 644 common/oam.h $(DESTDIR)$(INCLUDEDIR)
	install -m 644 cli/oam.1 $(DESTDIR)$(MANDIR)/man1
	install -m 644 cli/oam.env.5 $(DESTDIR)$(MANDIR)/man5
	install -m 644 cli/oam-refresh.8 $(DESTDIR)$(MANDIR)/man8
	install -m 644 cli/oam.bash-completion $(DESTDIR)$(DATADIR)/bash-completion/completions/oam
	ln -sf oam $(DESTDIR)$(DATADIR)/bash-completion/completions/oam-refresh
	install -m 644 $(SQL) $(DESTDIR)$(DATADIR)/oam/sql
	install -m 644 cgi/openapi.json $(DESTDIR)$(DATADIR)/oam
	cp -R $(DEPLOYED) $(DESTDIR)$(DATADIR)/oam/deploy
	find $(DESTDIR)$(DATADIR)/oam/deploy -type f -exec $(SET_PLACES) {} +
	chmod -R a+rX $(DESTDIR)$(DATADIR)/oam/deploy
ifneq ($(SYSTEMDDIR),)
	install -d $(DESTDIR)$(SYSTEMDDIR) $(DESTDIR)$(SYSUSERSDIR) $(DESTDIR)$(TMPFILESDIR)
	install -m 644 $(UNITS) $(DESTDIR)$(SYSTEMDDIR)
	$(SET_PLACES) $(UNITS:deploy/systemd/%=$(DESTDIR)$(SYSTEMDDIR)/%)
	install -m 644 deploy/sysusers.d/oam.conf $(DESTDIR)$(SYSUSERSDIR)
	install -m 644 deploy/tmpfiles.d/oam.conf $(DESTDIR)$(TMPFILESDIR)
endif

uninstall:
	rm -f $(COMMAND:$(B)/cli/%=$(DESTDIR)$(BINDIR)/%) \
	    $(DESTDIR)$(LIBDIR)/liboam.a $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/liboam.so \
	    $(DESTDIR)$(LIBDIR)/pkgconfig/oam.pc $(DESTDIR)$(INCLUDEDIR)/oam.h \
	    $(DESTDIR)$(MANDIR)/man1/oam.1 $(DESTDIR)$(MANDIR)/man5/oam.env.5 \
	    $(DESTDIR)$(MANDIR)/man8/oam-refresh.8 \
	    $(DESTDIR)$(DATADIR)/bash-completion/completions/oam \
	    $(DESTDIR)$(DATADIR)/bash-completion/completions/oam-refresh
	rm -rf $(DESTDIR)$(LIBEXECDIR)/oam $(DESTDIR)$(DATADIR)/oam
ifneq ($(SYSTEMDDIR),)
	rm -f $(UNITS:deploy/systemd/%=$(DESTDIR)$(SYSTEMDDIR)/%) \
	    $(DESTDIR)$(SYSUSERSDIR)/oam.conf $(DESTDIR)$(TMPFILESDIR)/oam.conf
endif

deb:
	deploy/install-packages deb
	deploy/debian/build $(B)/deb

# In a Debian of its own, as root; lintian has a say, too.
check-deb:
	deploy/debian/check $(B)/deb

clean:
	rm -rf build

-include $(wildcard $(B)/*/*.d $(B)/tests/*/*.d)
