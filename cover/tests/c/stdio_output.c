/* Streams that are written to: no buffered byte is lost, and none comes twice. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <wchar.h>

#include "server.h"
#include "stream.h"

/* What the server of a test receives over its newest connection, until there is no more for now. */
static size_t hear_all(struct server *server, char *heard, size_t size)
{
    size_t length = 0;
    ssize_t count;
    while ((count = recv(server->peer, heard + length, size - length, MSG_DONTWAIT)) > 0)
        length += count;
    return length;
}

static FILE *stream_of(struct client *client, struct server *server, const char *mode)
{
    server_start(server, AF_UNIX);
    memset(client, 0, sizeof *client);
    client->server = server;
    FILE *stream = fdopen(connect_covered(client), mode);
    CHECK(stream != NULL);
    return stream;
}

static void libha_stands_under_stdio(void)
{
    CHECK_EQUAL(ha_coverage(), HA_COVERS_CALLS | HA_COVERS_STDIO);
}

static void a_half_full_buffer_arrives_once_on_the_new_connection(void)
{
    struct server server;
    struct client client;
    static char heard[1 << 16];
    FILE *stream = stream_of(&client, &server, "w");
    CHECK(fputs("accepted\n", stream) >= 0);
    CHECK_EQUAL(fflush(stream), 0);
    server_hears(&server, "accepted\n");
    for (int line = 0; line < 100; line++)
        CHECK(fprintf(stream, "this is line %d\n", line) > 0);
    CHECK_EQUAL(hear_all(&server, heard, sizeof heard), 0);
    server_hang_up(&server);
    for (int line = 100; line < 1000; line++)
        CHECK(fprintf(stream, "this is line %d\n", line) > 0);
    CHECK_EQUAL(fflush(stream), 0);
    is_as_if_nothing_had_happened(stream);
    CHECK_EQUAL(client.recoveries, 1);

    char *expected = lines(0, 1000);
    CHECK_EQUAL(hear_all(&server, heard, sizeof heard), strlen(expected));
    CHECK_EQUAL(memcmp(heard, expected, strlen(expected)), 0);
    CHECK_EQUAL(fclose(stream), 0);
}

static void what_was_accepted_before_a_reset_is_not_sent_again(void)
{
    struct server server;
    struct client client;
    static char heard[1 << 16];
    FILE *stream = stream_of(&client, &server, "w");
    CHECK(fputs("accepted, and never read\n", stream) >= 0);
    CHECK_EQUAL(fflush(stream), 0);
    CHECK(fputs("buffered\n", stream) >= 0);
    server_reset(&server);
    CHECK_EQUAL(fflush(stream), 0);
    is_as_if_nothing_had_happened(stream);
    CHECK_EQUAL(hear_all(&server, heard, sizeof heard), strlen("buffered\n"));
    CHECK_EQUAL(memcmp(heard, "buffered\n", strlen("buffered\n")), 0);
    CHECK_EQUAL(client.recoveries, 1);
}

#define BLOCK (1 << 20)

/* Reads from a connection until its end, or until it has enough. */
struct listener {
    pthread_t thread;
    int peer;
    size_t enough;
    size_t length;
    char *heard;
};

static void *listen_until_the_end(void *argument)
{
    struct listener *listener = argument;
    ssize_t count;
    while (listener->length < listener->enough
           && (count = recv(listener->peer, listener->heard + listener->length, 4096, 0)) > 0)
        listener->length += count;
    close(listener->peer);
    return NULL;
}

static void listener_start(struct listener *listener, int peer, size_t enough)
{
    listener->peer = peer;
    listener->enough = enough;
    listener->length = 0;
    listener->heard = malloc(BLOCK + 4096);
    CHECK_EQUAL(pthread_create(&listener->thread, NULL, listen_until_the_end, listener), 0);
}

struct listened {
    struct client client;
    struct listener second;
};

static int reconnect_to_a_listener(int number, void *handle)
{
    struct listened *listened = handle;
    int reconnected = reconnect(number, &listened->client);
    listener_start(&listened->second, listened->client.server->peer, BLOCK);
    return reconnected;
}

static void a_block_that_is_torn_goes_on_without_a_gap(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct listened listened = { .client = { .server = &server } };
    struct listener first;
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, reconnect_to_a_listener, &listened, 0), 0);
    FILE *stream = fdopen(number, "w");
    char *block = malloc(BLOCK);
    for (int i = 0; i < BLOCK; i++)
        block[i] = (i >> 8) ^ i;
    /* The first server takes some of it, and dies. */
    listener_start(&first, server.peer, BLOCK / 4);
    CHECK_EQUAL(fwrite(block, 1, BLOCK, stream), BLOCK);
    CHECK_EQUAL(fflush(stream), 0);
    is_as_if_nothing_had_happened(stream);
    CHECK_EQUAL(fclose(stream), 0);
    CHECK_EQUAL(pthread_join(first.thread, NULL), 0);
    CHECK_EQUAL(pthread_join(listened.second.thread, NULL), 0);
    CHECK_EQUAL(listened.client.recoveries, 1);
    CHECK_EQUAL(memcmp(first.heard, block, first.length), 0);
    /* The call that was cut goes through one connection as a whole. */
    size_t again = listened.second.length;
    CHECK(again <= BLOCK && again + first.length >= BLOCK);
    CHECK_EQUAL(memcmp(listened.second.heard, block + BLOCK - again, again), 0);
}

static void every_way_to_write_text_is_covered(void)
{
    struct server server;
    struct client client;
    FILE *stream = stream_of(&client, &server, "w");
    CHECK_EQUAL(setvbuf(stream, NULL, _IONBF, 0), 0);
    const char letters[] = "abcde";
    for (int way = 0; way < 5; way++) {
        server_hang_up(&server);
        switch (way) {
        case 0: CHECK_EQUAL(fputc('a', stream), 'a'); break;
        case 1: CHECK(fputs("b", stream) >= 0); break;
        case 2: CHECK_EQUAL(fprintf(stream, "%c", 'c'), 1); break;
        case 3: CHECK_EQUAL(fwrite("d", 1, 1, stream), 1); break;
        case 4: CHECK_EQUAL(putc_unlocked('e', stream), 'e'); break;
        }
        server_hears(&server, (char[]){ letters[way], 0 });
        CHECK_EQUAL(client.recoveries, way + 1);
    }
    is_as_if_nothing_had_happened(stream);
}

static void wide_characters_are_covered(void)
{
    struct server server;
    struct client client;
    FILE *stream = stream_of(&client, &server, "w");
    CHECK(fwprintf(stream, L"wide %d", 1) > 0);
    server_hang_up(&server);
    CHECK(fputws(L" and more", stream) >= 0);
    CHECK_EQUAL(fflush(stream), 0);
    server_hears(&server, "wide 1 and more");
    is_as_if_nothing_had_happened(stream);
}

static void closing_a_stream_writes_its_buffer_to_the_new_connection(void)
{
    struct server server;
    struct client client;
    FILE *stream = stream_of(&client, &server, "w");
    CHECK(fputs("unflushed", stream) >= 0);
    server_hang_up(&server);
    CHECK_EQUAL(fclose(stream), 0);
    server_hears(&server, "unflushed");
    CHECK_EQUAL(client.recoveries, 1);
}

static int accept_and_hear(struct server *server, char *heard, size_t size)
{
    int peer = accept(server->listener, NULL, NULL);
    CHECK(peer >= 0);
    int length = recv(peer, heard, size, 0);
    CHECK_EQUAL(close(peer), 0);
    return length;
}

/* Connects, and leaves it to the parent to accept. */
static int reconnect_to_the_parent(int number, void *handle)
{
    struct server *server = handle;
    int fresh = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQUAL(connect(fresh, (struct sockaddr *)&server->address, server->length), 0);
    return put_under(fresh, number);
}

static void what_is_flushed_at_exit_is_recovered(void)
{
    static struct server server;
    server_start(&server, AF_UNIX);
    int printed[2], died[2];
    CHECK_EQUAL(pipe(printed), 0);
    CHECK_EQUAL(pipe(died), 0);
    int number = server_connect(&server);
    pid_t child = fork();
    char byte;
    if (child == 0) {
        CHECK_EQUAL(close(server.peer), 0);
        CHECK_EQUAL(dup2(number, 1), 1);
        CHECK_EQUAL(ha_attach(1, reconnect_to_the_parent, &server, 0), 0);
        printf("said at the end\n");
        CHECK_EQUAL(write(printed[1], "p", 1), 1);
        CHECK_EQUAL(read(died[0], &byte, 1), 1);
        exit(0);
    }
    CHECK_EQUAL(read(printed[0], &byte, 1), 1);
    server_hang_up(&server);
    CHECK_EQUAL(write(died[1], "d", 1), 1);
    char heard[32] = "";
    CHECK_EQUAL(accept_and_hear(&server, heard, sizeof heard), strlen("said at the end\n"));
    CHECK_EQUAL(strcmp(heard, "said at the end\n"), 0);
    int status;
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
}

static int refuse(int number, void *handle)
{
    (void)number;
    (void)handle;
    return -1;
}

static void a_stream_whose_connection_is_given_up_shows_it(void)
{
    struct server server;
    struct client client;
    FILE *stream = stream_of(&client, &server, "r+");
    CHECK_EQUAL(ha_attach(fileno(stream), refuse, NULL, HAREPLACERECOVERYFN), 0);
    server_hang_up(&server);
    CHECK_EQUAL(fgetc(stream), EOF);
    CHECK(feof(stream));
    CHECK(!ferror(stream));
}

static void ha_fclose_says_what_fclose_says(void)
{
    struct server server;
    struct client client;
    FILE *stream = stream_of(&client, &server, "w");
    CHECK(fputs("more than nothing", stream) >= 0);
    CHECK_EQUAL(ha_fclose(stream), 0);
    server_hears(&server, "more than nothing");
    /* A stream that was never attached is closed all the same. */
    CHECK_EQUAL(ha_fclose(fopen("/dev/null", "r")), 0);
}

MAIN(SCENARIO(libha_stands_under_stdio),
     SCENARIO(a_half_full_buffer_arrives_once_on_the_new_connection),
     SCENARIO(what_was_accepted_before_a_reset_is_not_sent_again),
     SCENARIO(a_block_that_is_torn_goes_on_without_a_gap),
     SCENARIO(every_way_to_write_text_is_covered),
     SCENARIO(wide_characters_are_covered),
     SCENARIO(closing_a_stream_writes_its_buffer_to_the_new_connection),
     SCENARIO(what_is_flushed_at_exit_is_recovered),
     SCENARIO(a_stream_whose_connection_is_given_up_shows_it),
     SCENARIO(ha_fclose_says_what_fclose_says))
