/* The folder of a sweep as a machine may see it that shares the folder with others, and a clock that a test moves. Loaded into the program.
 *
 * SHARED_OLD     the listings of results are so old that they are empty, and each third file of the sweep is opened with ESTALE at first
 * SHARED_UPTIME  the file that is read in the place of /proc/uptime
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends(const char *text, const char *end) {
    size_t all = strlen(text), last = strlen(end);
    return all >= last && strcmp(text + all - last, end) == 0;
}

static int is_file_of_sweep(const char *path) {
    return strstr(path, "/data/sweeps/") && (ends(path, ".json") || ends(path, ".csv") || ends(path, ".parquet"));
}

int open64(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    static __thread unsigned opened;
    const char *uptime = getenv("SHARED_UPTIME");
    mode_t mode = 0;
    if (!real)
        real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    if (uptime && strcmp(path, "/proc/uptime") == 0)
        path = uptime;
    if (getenv("SHARED_OLD") && (flags & O_ACCMODE) == O_RDONLY && is_file_of_sweep(path) && ++opened % 3 == 0) {
        errno = ESTALE;
        return -1;
    }
    return real(path, flags, mode);
}

struct dirent64 *readdir64(DIR *dir) {
    static struct dirent64 *(*real)(DIR *);
    char link[64], path[4096];
    struct dirent64 *entry;
    ssize_t length;
    if (!real)
        real = (struct dirent64 *(*)(DIR *))dlsym(RTLD_NEXT, "readdir64");
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd(dir));
    length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    do
        entry = real(dir);
    while (entry && getenv("SHARED_OLD") && ends(path, "/results") && ends(entry->d_name, ".csv"));
    return entry;
}
