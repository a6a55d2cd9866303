/* Streams that are read from: what libc has read ahead is kept, and what it asks for next comes from the new connection. */
#define _GNU_SOURCE
#include "file.h"
#include "server.h"
#include "stream.h"

/* The server that is found goes on with what the dead one was saying. */
struct speaker {
    struct client client;
    const char *text;
};

static int reconnect_and_hear_the_rest(int number, void *handle)
{
    struct speaker *speaker = handle;
    int reconnected = reconnect(number, &speaker->client);
    server_says(speaker->client.server, speaker->text);
    return reconnected;
}

static FILE *stream_that_hears(struct speaker *speaker, struct server *server, const char *first, const char *rest)
{
    server_start(server, AF_UNIX);
    *speaker = (struct speaker){ .client = { .server = server }, .text = rest };
    int number = server_connect(server);
    CHECK_EQUAL(ha_attach(number, reconnect_and_hear_the_rest, speaker, 0), 0);
    server_says(server, first);
    server_hang_up(server);
    FILE *stream = fdopen(number, "r");
    CHECK(stream != NULL);
    return stream;
}

static void a_line_is_read_across_a_recovery(void)
{
    struct server server;
    struct speaker speaker;
    FILE *stream = stream_that_hears(&speaker, &server, "whole\nhal", "f\nlast\n");
    char *line = NULL;
    size_t size = 0;
    CHECK_EQUAL(getline(&line, &size, stream), 6);
    CHECK_EQUAL(speaker.client.recoveries, 0);
    CHECK_EQUAL(getline(&line, &size, stream), 5);
    CHECK_EQUAL(strcmp(line, "half\n"), 0);
    CHECK_EQUAL(getline(&line, &size, stream), 5);
    CHECK_EQUAL(strcmp(line, "last\n"), 0);
    is_as_if_nothing_had_happened(stream);
    CHECK_EQUAL(speaker.client.recoveries, 1);
}

static void numbers_are_scanned_across_a_recovery(void)
{
    struct server server;
    struct speaker speaker;
    FILE *stream = stream_that_hears(&speaker, &server, "12 3", "4 56 ");
    int one, two, three;
    CHECK_EQUAL(fscanf(stream, "%d %d %d", &one, &two, &three), 3);
    CHECK_EQUAL(one, 12);
    CHECK_EQUAL(two, 34);
    CHECK_EQUAL(three, 56);
    is_as_if_nothing_had_happened(stream);
    CHECK_EQUAL(speaker.client.recoveries, 1);
}

static void a_block_is_read_across_a_recovery(void)
{
    struct server server;
    struct speaker speaker;
    FILE *stream = stream_that_hears(&speaker, &server, "0123", "456789");
    char bytes[10];
    CHECK_EQUAL(fread(bytes, 1, 10, stream), 10);
    CHECK_EQUAL(memcmp(bytes, "0123456789", 10), 0);
    is_as_if_nothing_had_happened(stream);
}

static void a_stream_of_ha_fopen_reads_on_after_a_recovery(void)
{
    struct file file;
    char *text = lines(0, 1000), *line = NULL;
    size_t size = 0;
    file_make(&file, text, strlen(text));
    FILE *stream = ha_fopen(file.path, "r", reopen, &file, 0);
    CHECK(stream != NULL);
    for (int number = 0; number < 1000; number++) {
        char expected[32];
        sprintf(expected, "this is line %d\n", number);
        CHECK_EQUAL(getline(&line, &size, stream), strlen(expected));
        CHECK_EQUAL(strcmp(line, expected), 0);
        if (number % 300 == 100) {
            /* libc has read ahead; the server knows how far. */
            file.offset = lseek(fileno(stream), 0, SEEK_CUR);
            lose(fileno(stream));
        }
    }
    CHECK_EQUAL(file.recoveries, 3);
    is_as_if_nothing_had_happened(stream);
    CHECK_EQUAL(fseek(stream, 0, SEEK_SET), 0);
    CHECK_EQUAL(ftell(stream), 0);
    int number = fileno(stream);
    CHECK_EQUAL(ha_fclose(stream), 0);
    CHECK_EQUAL(open("/dev/null", O_RDONLY), number);
    lose(number);
    char byte;
    CHECK_FAILS(read(number, &byte, 1), EBADF);
    CHECK_EQUAL(file.recoveries, 3);
}

MAIN(SCENARIO(a_line_is_read_across_a_recovery),
     SCENARIO(numbers_are_scanned_across_a_recovery),
     SCENARIO(a_block_is_read_across_a_recovery),
     SCENARIO(a_stream_of_ha_fopen_reads_on_after_a_recovery))
