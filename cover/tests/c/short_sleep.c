/* A `sleep` that lasts as long as a test wants: it connects to the test, and returns when the test hangs up. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

unsigned sleep(unsigned seconds)
{
    struct sockaddr_un test = { .sun_family = AF_UNIX };
    const char *path = getenv("SHORT_SLEEP");
    int number = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;
    if (path == NULL || strlen(path) >= sizeof test.sun_path)
        abort();
    strcpy(test.sun_path, path);
    if (connect(number, (struct sockaddr *)&test, sizeof test) != 0 || read(number, &byte, 1) != 0)
        abort();
    close(number);
    (void)seconds;
    return 0;
}
