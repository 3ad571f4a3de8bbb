/*
 * mprotect(2) while other threads change the address space. areas FILE own|file|moved: of memory that is no file's, of a
 * mapping of FILE, or of one that mremap(2) has moved.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROUNDS 20000
#define THREADS 3
/* Where nothing else is mapped, and apart from each other. */
#define HERE ((void *)0x200000000000)
#define THERE ((void *)0x200000500000)

static atomic_bool over;

static void *disturb(void *unused)
{
    size_t size = 1 << 20;

    while (!over) {
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

        if (memory != MAP_FAILED)
            munmap(memory, size);
    }
    return unused;
}

int main(int argc, char **argv)
{
    long page = sysconf(_SC_PAGESIZE);
    pthread_t threads[THREADS];
    char *own, *file, *memory;
    int fd;

    if (argc != 3 || (fd = open(argv[1], O_RDWR)) < 0) {
        perror("areas");
        return 1;
    }
    file = mmap(HERE, page, PROT_READ, MAP_SHARED, fd, 0);
    own = mmap(THERE, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (file != HERE || own != THERE) {
        perror("areas: mmap");
        return 1;
    }
    memory = strcmp(argv[2], "own") ? file : own;
    if (!strcmp(argv[2], "moved") && (memory = mremap(file, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, THERE)) != THERE) {
        perror("areas: mremap");
        return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, disturb, NULL);
    for (int i = 0; i < ROUNDS; i++)
        if (mprotect(memory, page, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE)) {
            perror("areas: mprotect");
            return 1;
        }
    over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
