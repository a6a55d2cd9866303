/* The kinds besides Unix sockets: files whose descriptor is lost, terminals that hang up, TCP connections. */
#define _GNU_SOURCE
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "file.h"
#include "server.h"

static int open_covered(struct file *file)
{
    file_make(file, "0123456789", 10);
    int number = ha_open(file->path, O_RDONLY, reopen, file, 0);
    CHECK(number >= 0);
    return number;
}

static void every_call_on_a_lost_file_recovers(void)
{
    struct file file;
    int number = open_covered(&file), recoveries = 0;
    char bytes[3] = "";
    struct stat status;
    int available;

    lose(number);
    CHECK_EQUAL(pread(number, bytes, 2, 7), 2);
    CHECK_EQUAL(strcmp(bytes, "78"), 0);
    CHECK_EQUAL(file.recoveries, ++recoveries);
    lose(number);
    CHECK_EQUAL(lseek(number, 0, SEEK_END), 10);
    CHECK_EQUAL(file.recoveries, ++recoveries);
    lose(number);
    CHECK_EQUAL(fstat(number, &status), 0);
    CHECK_EQUAL(status.st_size, 10);
    CHECK_EQUAL(file.recoveries, ++recoveries);
    lose(number);
    CHECK_EQUAL(fcntl(number, F_GETFL) & O_ACCMODE, O_RDONLY);
    CHECK_EQUAL(file.recoveries, ++recoveries);
    lose(number);
    CHECK_EQUAL(ioctl(number, FIONREAD, &available), 0);
    CHECK_EQUAL(available, 10);
    CHECK_EQUAL(file.recoveries, ++recoveries);
}

static void an_end_of_file_is_no_death_of_a_file(void)
{
    struct file file;
    int number = open_covered(&file);
    char bytes[20];
    CHECK_EQUAL(read(number, bytes, sizeof bytes), 10);
    CHECK_EQUAL(read(number, bytes, sizeof bytes), 0);
    CHECK_EQUAL(pread(number, bytes, sizeof bytes, 100), 0);
    CHECK_EQUAL(file.recoveries, 0);
}

/* Opens the file for writing again, at its end. */
static int reopen_for_writing(int number, void *handle)
{
    struct file *file = handle;
    file->recoveries++;
    return ha_reopen(number, file->path, O_WRONLY | O_APPEND);
}

static void a_sync_repairs_but_does_not_claim_that_data_is_durable(void)
{
    int (*const syncs[])(int) = { fsync, fdatasync };
    for (size_t i = 0; i < sizeof syncs / sizeof *syncs; i++) {
        struct file file;
        file_make(&file, "0123456789", 10);
        int number = ha_open(file.path, O_WRONLY | O_APPEND, reopen_for_writing, &file, 0);
        int copy = ha_dup(number);
        CHECK(copy >= 0);
        CHECK_EQUAL(write(number, "a", 1), 1);
        lose(number);
        CHECK_FAILS(syncs[i](number), EBADF);
        CHECK_EQUAL(file.recoveries, 1);
        CHECK_EQUAL(write(number, "b", 1), 1);
        CHECK_EQUAL(syncs[i](number), 0);
        CHECK_EQUAL(file.recoveries, 1);
        CHECK_EQUAL(lseek(copy, 0, SEEK_CUR), 12);
    }
}

static void a_file_is_made_and_covered_by_ha_creat(void)
{
    struct file file = { .path = "fresh" };
    int number = ha_creat(file.path, 0640, reopen_for_writing, &file, 0);
    CHECK(number >= 0);
    struct stat status;
    CHECK_EQUAL(fstat(number, &status), 0);
    CHECK_EQUAL(status.st_mode & 07777, 0640);
    CHECK_EQUAL(write(number, "ab", 2), 2);
    lose(number);
    CHECK_EQUAL(write(number, "cd", 2), 2);
    CHECK_EQUAL(file.recoveries, 1);
    CHECK_EQUAL(fstat(number, &status), 0);
    CHECK_EQUAL(status.st_size, 4);
}

static void the_mode_of_ha_open_comes_after_its_flags(void)
{
    struct file file = { .path = "fresh" };
    int number = ha_open(file.path, O_CREAT | O_EXCL | O_RDWR, reopen, &file, 0, 0600);
    CHECK(number >= 0);
    struct stat status;
    CHECK_EQUAL(fstat(number, &status), 0);
    CHECK_EQUAL(status.st_mode & 07777, 0600);
    CHECK_EQUAL(unlink(file.path), 0);
    number = ha_open64(file.path, O_CREAT | O_RDWR, NULL, NULL, 0, 0640);
    CHECK_EQUAL(fstat(number, &status), 0);
    CHECK_EQUAL(status.st_mode & 07777, 0640);
}

static int reopen_what_is_not_there(int number, void *handle)
{
    ((struct file *)handle)->recoveries++;
    return ha_reopen(number, "/nonexistent/file", O_RDONLY);
}

static void a_reopen_that_fails_leaves_the_original_error(void)
{
    struct file file;
    file_make(&file, "0123456789", 10);
    int number = ha_open(file.path, O_RDONLY, reopen_what_is_not_there, &file, 0);
    CHECK(number >= 0);
    char byte;
    lose(number);
    CHECK_FAILS(read(number, &byte, 1), EBADF);
    CHECK_EQUAL(file.recoveries, 1);
}

static void a_reopened_number_keeps_its_registration(void)
{
    struct file file;
    file_make(&file, "0123456789", 10);
    int number = ha_open(file.path, O_RDONLY, reopen, &file, 0);
    CHECK(number >= 0);
    int copy = ha_dup(number);
    for (int death = 1; death <= 3; death++) {
        char byte = 0;
        lose(number);
        file.offset = 2 * death;
        CHECK_EQUAL(read(number, &byte, 1), 1);
        CHECK_EQUAL(byte, '0' + 2 * death);
        CHECK_EQUAL(file.recoveries, death);
        /* The dup shares the new description, and so its offset. */
        CHECK_EQUAL(lseek(copy, 0, SEEK_CUR), file.offset + 1);
    }
}

static void a_reopen_outside_of_a_recovery_keeps_number_and_registration(void)
{
    struct file file;
    int number = open_covered(&file);
    char byte = 0;
    CHECK_EQUAL(read(number, &byte, 1), 1);
    CHECK_EQUAL(ha_reopen(number, file.path, O_RDONLY), number);
    CHECK_EQUAL(read(number, &byte, 1), 1);
    CHECK_EQUAL(byte, '0');
    CHECK_EQUAL(file.recoveries, 0);
    lose(number);
    CHECK_EQUAL(read(number, &byte, 1), 1);
    CHECK_EQUAL(file.recoveries, 1);
}

struct terminal {
    int master;
    int recoveries;
};

static int open_terminal(struct terminal *terminal)
{
    terminal->master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(terminal->master >= 0);
    CHECK_EQUAL(unlockpt(terminal->master), 0);
    int number = open(ptsname(terminal->master), O_RDWR | O_NOCTTY);
    struct termios raw;
    CHECK_EQUAL(tcgetattr(number, &raw), 0);
    cfmakeraw(&raw);
    CHECK_EQUAL(tcsetattr(number, TCSANOW, &raw), 0);
    return number;
}

static int open_another_terminal(int number, void *handle)
{
    struct terminal *terminal = handle;
    terminal->recoveries++;
    return put_under(open_terminal(terminal), number);
}

static void a_terminal_that_is_hung_up_recovers(void)
{
    struct terminal terminal = { .recoveries = 0 };
    int number = open_terminal(&terminal);
    CHECK_EQUAL(ha_attach(number, open_another_terminal, &terminal, 0), 0);
    CHECK_EQUAL(close(terminal.master), 0);
    CHECK_EQUAL(write(number, "abc", 3), 3);
    CHECK_EQUAL(terminal.recoveries, 1);
    char heard[4] = "";
    CHECK_EQUAL(read(terminal.master, heard, 3), 3);
    CHECK_EQUAL(strcmp(heard, "abc"), 0);
}

/* Returns when a reset has arrived. Asking does not recover. */
static void wait_for_the_reset(int number)
{
    struct tcp_info info;
    socklen_t length;
    do {
        sched_yield();
        length = sizeof info;
        CHECK_EQUAL(getsockopt(number, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    } while (info.tcpi_state != TCP_CLOSE);
}

static void a_tcp_connection_that_is_reset_recovers(void)
{
    struct server server;
    server_start(&server, AF_INET);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    for (int death = 1; death <= 3; death++) {
        server_reset(&server);
        wait_for_the_reset(number);
        converse(&server, death == 2 ? copy : number);
        converse(&server, death == 2 ? number : copy);
        CHECK_EQUAL(client.recoveries, death);
    }
}

static int notice_what_was_lost(int number, void *handle)
{
    struct client *client = handle;
    /* Unread bytes of the dead connection can still be read, if the reset has left any. */
    int unread = -1;
    CHECK_EQUAL(ioctl(number, FIONREAD, &unread), 0);
    CHECK_EQUAL(unread, 0);
    return reconnect(number, client);
}

static void the_function_can_ask_what_the_dead_connection_holds(void)
{
    struct server server;
    server_start(&server, AF_INET);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, notice_what_was_lost, &client, 0), 0);
    server_reset(&server);
    wait_for_the_reset(number);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

MAIN(SCENARIO(every_call_on_a_lost_file_recovers),
     SCENARIO(an_end_of_file_is_no_death_of_a_file),
     SCENARIO(a_sync_repairs_but_does_not_claim_that_data_is_durable),
     SCENARIO(a_file_is_made_and_covered_by_ha_creat),
     SCENARIO(the_mode_of_ha_open_comes_after_its_flags),
     SCENARIO(a_reopen_that_fails_leaves_the_original_error),
     SCENARIO(a_reopened_number_keeps_its_registration),
     SCENARIO(a_reopen_outside_of_a_recovery_keeps_number_and_registration),
     SCENARIO(a_terminal_that_is_hung_up_recovers),
     SCENARIO(a_tcp_connection_that_is_reset_recovers),
     SCENARIO(the_function_can_ask_what_the_dead_connection_holds))
