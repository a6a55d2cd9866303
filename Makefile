# Builds libha, libcheckpoint and the `ha` command with cargo, and installs them with the headers.
#
#     make && sudo make install
#
# PREFIX, LIBDIR, INCLUDEDIR and BINDIR say where to, DESTDIR goes in front of all of them. With STATIC=no there is no
# libha.a, nor libcheckpoint.a; making the first takes libc.a, which some distributions have in a package of its own.

PREFIX = /usr/local
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
BINDIR = $(PREFIX)/bin
DESTDIR =
STATIC = yes

CC = cc
CARGO = cargo
INSTALL = install
LDCONFIG = ldconfig
NM = nm

CARGO_TARGET_DIR ?= target
release = $(CARGO_TARGET_DIR)/release
# Where cargo's profile of that name builds: the archives that plain `cargo build` makes cannot be linked beside each other, and
# that libha.a has other names in it.
static = $(CARGO_TARGET_DIR)/static

version := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
soname = libha.so.1
shared = $(soname).$(version)
headers = $(wildcard cover/include/ha/*.h)

checkpoint_soname = libcheckpoint.so.1
checkpoint_shared = $(checkpoint_soname).$(version)

# A path below PREFIX as pkg-config has it, so that the installation may be moved.
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))

# What pkg-config is told.
describe = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(version)|' \
    -e 's|@LIBDIR@|$(call below_prefix,$(LIBDIR))|' \
    -e 's|@INCLUDEDIR@|$(call below_prefix,$(INCLUDEDIR))|' \
    -e "s|@STATIC@|$(if $(filter yes,$(STATIC)),$$(cat $(static)/flags))|" $(1)

all: shared $(if $(filter yes,$(STATIC)),static)

shared:
	$(CARGO) build --release --locked --package ha-cover --package ha-cli --package ha-checkpoint-capi

static: $(static)/flags
	$(CARGO) rustc --profile static --locked --package ha-cover --crate-type staticlib --features static
	$(CARGO) rustc --profile static --locked --package ha-checkpoint-capi --crate-type staticlib

# The linker is to wrap each covered function that this libc.a has, and to fetch it: nobody else refers to it any more.
$(static)/flags: cover/names.txt
	mkdir -p $(static)
	$(NM) -gP --defined-only "$$($(CC) -print-file-name=libc.a)" >$(static)/libc.names
	awk -v ORS=' ' 'FNR == NR { has[$$1]; next } \
	    /^[#-]/ || !NF { next } \
	    { name = $$1 == "+" ? $$2 : $$1 } \
	    name in has { print "-Wl,--wrap=" name ",--undefined=" name } \
	    END { print "-Wl,--undefined=ha_coverage" }' $(static)/libc.names cover/names.txt >$@.new
	mv $@.new $@

install:
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(INCLUDEDIR)/ha" "$(DESTDIR)$(LIBDIR)/pkgconfig"
	$(INSTALL) -m 755 $(release)/ha "$(DESTDIR)$(BINDIR)/ha"
	$(INSTALL) -m 644 $(headers) "$(DESTDIR)$(INCLUDEDIR)/ha"
	$(INSTALL) -m 755 $(release)/libha.so "$(DESTDIR)$(LIBDIR)/$(shared)"
	ln -sf $(shared) "$(DESTDIR)$(LIBDIR)/$(soname)"
	ln -sf $(soname) "$(DESTDIR)$(LIBDIR)/libha.so"
	$(INSTALL) -m 644 checkpoint/capi/include/checkpoint.h "$(DESTDIR)$(INCLUDEDIR)/checkpoint.h"
	$(INSTALL) -m 755 $(release)/libcheckpoint.so "$(DESTDIR)$(LIBDIR)/$(checkpoint_shared)"
	ln -sf $(checkpoint_shared) "$(DESTDIR)$(LIBDIR)/$(checkpoint_soname)"
	ln -sf $(checkpoint_soname) "$(DESTDIR)$(LIBDIR)/libcheckpoint.so"
ifeq ($(STATIC),yes)
	$(INSTALL) -m 644 $(static)/libha.a "$(DESTDIR)$(LIBDIR)/libha.a"
	$(INSTALL) -m 644 $(static)/libcheckpoint.a "$(DESTDIR)$(LIBDIR)/libcheckpoint.a"
endif
	$(call describe,cover/ha.pc.in) >"$(DESTDIR)$(LIBDIR)/pkgconfig/ha.pc"
	$(call describe,checkpoint/capi/checkpoint.pc.in) >"$(DESTDIR)$(LIBDIR)/pkgconfig/checkpoint.pc"
	$(if $(DESTDIR),,-$(LDCONFIG))

uninstall:
	rm -f "$(DESTDIR)$(BINDIR)/ha" "$(DESTDIR)$(LIBDIR)/pkgconfig/ha.pc"
	rm -f "$(DESTDIR)$(LIBDIR)/libha.a"
	rm -f "$(DESTDIR)$(INCLUDEDIR)/checkpoint.h" "$(DESTDIR)$(LIBDIR)/pkgconfig/checkpoint.pc"
	rm -f "$(DESTDIR)$(LIBDIR)/libcheckpoint.a" "$(DESTDIR)$(LIBDIR)/libcheckpoint.so"
	rm -f "$(DESTDIR)$(LIBDIR)/$(checkpoint_soname)" "$(DESTDIR)$(LIBDIR)/$(checkpoint_soname)".*
	rm -f "$(DESTDIR)$(LIBDIR)/libha.so" "$(DESTDIR)$(LIBDIR)/$(soname)" "$(DESTDIR)$(LIBDIR)/$(soname)".*
	rm -f $(headers:cover/include/%="$(DESTDIR)$(INCLUDEDIR)/%")
	-rmdir "$(DESTDIR)$(INCLUDEDIR)/ha" 2>/dev/null
	$(if $(DESTDIR),,-$(LDCONFIG))

.PHONY: all shared static install uninstall
