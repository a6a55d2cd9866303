/* What every test program is made of: named scenarios, and checks that end the program where one fails. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program unless the condition holds. */
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            int error = errno; \
            fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition, error, strerror(error)); \
            _Exit(1); \
        } \
    } while (0)

/* Ends the program unless two integers are equal. */
#define CHECK_EQUAL(actual, expected) \
    do { \
        long long got = (long long)(actual); \
        int error = errno; \
        long long wanted = (long long)(expected); \
        if (got != wanted) { \
            fprintf(stderr, "%s:%d: %s is %lld, not %s = %lld (errno %d, %s)\n", __FILE__, __LINE__, #actual, got, \
                    #expected, wanted, error, strerror(error)); \
            _Exit(1); \
        } \
    } while (0)

/* Ends the program unless a call fails with -1 and this errno. */
#define CHECK_FAILS(call, expected) \
    do { \
        errno = 0; \
        CHECK_EQUAL(call, -1); \
        CHECK_EQUAL(errno, expected); \
    } while (0)

struct scenario {
    const char *name;
    void (*run)(void);
};

#define SCENARIO(name) { #name, name }

/* Runs the scenario that the first argument names; `--list` prints the names. */
static inline int run_scenario(const struct scenario *scenarios, size_t count, int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s SCENARIO | --list\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[1], "--list") == 0) {
            puts(scenarios[i].name);
        } else if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    }
    return strcmp(argv[1], "--list") == 0 ? 0 : 2;
}

#define MAIN(...) \
    int main(int argc, char **argv) \
    { \
        static const struct scenario scenarios[] = { __VA_ARGS__ }; \
        return run_scenario(scenarios, sizeof scenarios / sizeof *scenarios, argc, argv); \
    }

#endif
