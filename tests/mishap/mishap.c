/* Loaded into a process before the C library: what befalls a file once so many of its bytes were read.
 *
 * MISHAP_FILE   the end of its path
 * MISHAP_AFTER  the bytes that are read before, through all of its descriptors together
 * MISHAP_KIND   none, fails (EIO, from then on), cut, grows, over (other bytes are written into it),
 *               replaced (another file is renamed over it), deleted
 * MISHAP_OTHER  a file with the other bytes
 * MISHAP_COUNT  a file to which the number of bytes read is written at the end
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long long done;
static int befallen;

static ssize_t plain(int fd, void *to, size_t count)
{
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        next = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    return next(fd, to, count);
}

static int is_concerned(int fd, char *path)
{
    char link[64];
    const char *file = getenv("MISHAP_FILE");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (!file || length < 0)
        return 0;
    path[length] = 0;
    char *gone = strstr(path, " (deleted)");
    if (gone)
        *gone = 0;
    size_t end = strlen(file);
    return strlen(path) >= end && !strcmp(path + strlen(path) - end, file);
}

static void copy(const char *from, const char *to, int flags)
{
    char block[4096];
    ssize_t length;
    int in = open(from, O_RDONLY), out = open(to, flags, 0644);
    while ((length = plain(in, block, sizeof block)) > 0)
        if (write(out, block, length) != length)
            abort();
    close(in);
    close(out);
}

static void befall(const char *kind, const char *path)
{
    const char *other = getenv("MISHAP_OTHER");
    char beside[PATH_MAX + 8];
    struct stat now;
    if (!strcmp(kind, "cut")) {
        if (stat(path, &now) || truncate(path, now.st_size / 2))
            abort();
    } else if (!strcmp(kind, "grows")) {
        int out = open(path, O_WRONLY | O_APPEND);
        if (write(out, "and more", 8) != 8)
            abort();
        close(out);
    } else if (!strcmp(kind, "over")) {
        copy(other, path, O_WRONLY);
    } else if (!strcmp(kind, "replaced")) {
        snprintf(beside, sizeof beside, "%s.new", path);
        copy(other, beside, O_WRONLY | O_CREAT | O_TRUNC);
        if (rename(beside, path))
            abort();
    } else if (!strcmp(kind, "deleted")) {
        if (unlink(path))
            abort();
    }
}

ssize_t read(int fd, void *to, size_t count)
{
    char path[PATH_MAX];
    const char *kind = getenv("MISHAP_KIND"), *after = getenv("MISHAP_AFTER");
    if (!kind || !after || !is_concerned(fd, path))
        return plain(fd, to, count);
    unsigned long long limit = strtoull(after, NULL, 10);
    pthread_mutex_lock(&lock);
    ssize_t got;
    if (strcmp(kind, "none") && done >= limit && !befallen) {
        befallen = 1;
        befall(kind, path);
    }
    if (befallen && !strcmp(kind, "fails")) {
        errno = EIO;
        got = -1;
    } else {
        if (!befallen && done < limit && count > limit - done)
            count = limit - done;
        got = plain(fd, to, count);
        if (got > 0)
            done += got;
    }
    int why = errno;
    pthread_mutex_unlock(&lock);
    errno = why;
    return got;
}

__attribute__((destructor)) static void tell(void)
{
    const char *name = getenv("MISHAP_COUNT");
    FILE *file = name ? fopen(name, "w") : NULL;
    if (file) {
        fprintf(file, "%llu", done);
        fclose(file);
    }
}
