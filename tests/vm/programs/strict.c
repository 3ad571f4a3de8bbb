/*
 * A task in strict mode, its neighbours, and the agent that tells spoor of them, in one static program.
 *
 *   strict DIR agent    plays the agent in DIR, which becomes the workspace; then waits for DIR/other
 *   strict DIR other    another container: reads the same files and makes DIR/other
 *
 * Prints "NAME RESULT" lines: 0 or an errno; for costs nanoseconds a call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Short rounds, of which the least counts: a busy host interrupts most of the longer ones. */
enum { rounds = 150, opens_a_round = 60 };

static void fail(const char *what)
{
    perror(what);
    exit(3);
}

static void say(const char *name, int result)
{
    printf("%s %d\n", name, result < 0 ? errno : 0);
    fflush(stdout);
}

static int try_open(const char *name, int flags)
{
    int fd = open(name, flags, 0644);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void make(const char *name)
{
    int fd = open(name, O_CREAT | O_WRONLY, 0644);

    if (fd < 0 || write(fd, "x", 1) != 1)
        fail(name);
    close(fd);
}

/* Sends a signal and waits until the recorder has taken it in. */
static void tell(const char *text)
{
    static int number;
    char name[64], hidden[64];
    int fd;

    snprintf(hidden, sizeof hidden, "/run/spoor/agent/.%d", ++number);
    snprintf(name, sizeof name, "/run/spoor/agent/%d.json", number);
    fd = open(hidden, O_CREAT | O_WRONLY, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) || rename(hidden, name))
        fail("signal");
    for (int i = 0; i < 200000 && access(name, F_OK) == 0; i++)
        usleep(1000);
}

struct worker {
    pid_t pid;
    int go, done; /* pipes to and from it */
};

static struct worker start_worker(const char *task, const char *mode, const char *inputs, void (*work)(void),
                                  int times)
{
    int go[2], done[2];
    struct worker worker;
    char text[512], byte;

    if (pipe(go) || pipe(done))
        fail("pipe");
    fflush(stdout);
    worker.pid = fork();
    if (worker.pid == 0) {
        for (int i = 0; i < times; i++) {
            if (read(go[0], &byte, 1) != 1)
                _exit(4);
            work();
            if (write(done[1], "", 1) != 1)
                _exit(5);
        }
        exit(0);
    }
    close(go[0]);
    close(done[1]); /* so that its death is seen */
    worker.go = go[1];
    worker.done = done[0];
    snprintf(text, sizeof text,
             "{\"schema\":\"spoor.task/1\",\"event\":\"start\",\"taskId\":\"%s\",\"pid\":%d,\"mode\":\"%s\","
             "\"workspaceRoot\":\"/ws\",\"declared\":{\"inputs\":[%s],\"outputs\":[\"dist\"]}}",
             task, (int)worker.pid, mode, inputs);
    tell(text);
    return worker;
}

static long long turn(struct worker *worker)
{
    struct timespec begin, end;
    char byte;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (write(worker->go, "", 1) != 1 || read(worker->done, &byte, 1) != 1)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec;
}

static void end_worker(const char *name, const char *task, struct worker *worker)
{
    char text[128];
    int status = 0;

    waitpid(worker->pid, &status, 0);
    printf("%s %d\n", name, status);
    snprintf(text, sizeof text, "{\"schema\":\"spoor.task/1\",\"event\":\"end\",\"taskId\":\"%s\"}", task);
    tell(text);
}

static void guarded(void)
{
    pid_t child;

    say("guarded.declared", try_open("src/declared", O_RDONLY));
    say("guarded.secret", try_open("src/secret", O_RDONLY));
    say("guarded.secret.again", try_open("src/secret", O_RDONLY));
    say("guarded.absent", try_open("src/absent", O_RDONLY));
    say("guarded.outside", try_open("/tmp", O_RDONLY));
    say("guarded.output", try_open("dist/out", O_CREAT | O_RDWR | O_TRUNC));
    say("guarded.output.read", try_open("dist/out", O_RDONLY));
    say("guarded.create", try_open("src/made", O_CREAT | O_WRONLY));
    say("guarded.created", access("src/made", F_OK));
    say("guarded.truncate", truncate("src/declared", 0));
    say("guarded.rename", rename("dist/out", "src/moved"));
    say("guarded.symlink", symlink("x", "src/link"));
    child = fork();
    if (child == 0) {
        say("child.secret", try_open("src/secret", O_RDONLY));
        exit(0);
    }
    waitpid(child, NULL, 0);
}

static void neighbour(void)
{
    say("neighbour.secret", try_open("src/secret", O_RDONLY));
}

/* Each open may get the struct file of the one before it, and each name has to be told. */
static void reopen(void)
{
    static int turns;

    if (turns++) {
        for (int i = 0; i < 3; i++)
            say("told.renamed", try_open("src/declared.c", O_RDONLY));
        return;
    }
    for (int i = 0; i < 3; i++)
        say("told.read", try_open("src/declared.a", O_RDONLY));
    say("told.path", try_open("src/declared.b", O_PATH));
}

static void tell_again(void)
{
    struct worker worker;

    make("src/declared.a");
    make("src/declared.b");
    worker = start_worker("t:told", "strict", "\"src/declared*\"", reopen, 2);
    turn(&worker);
    say("told.rename", rename("src/declared.a", "src/declared.c"));
    turn(&worker);
    end_worker("told.status", "t:told", &worker);
}

static void open_often(void)
{
    for (int i = 0; i < opens_a_round; i++)
        if (try_open("src/declared", O_RDONLY))
            _exit(6);
}

static void measure(void)
{
    struct worker strict = start_worker("m:strict", "strict", "\"src/declared*\",\"lib/**/*.ts\"", open_often, rounds);
    struct worker warn = start_worker("m:warn", "warn", "\"src/declared*\",\"lib/**/*.ts\"", open_often, rounds);
    long long with = 1LL << 62, without = with, took;

    for (int i = 0; i < rounds; i++) {
        if ((took = turn(&strict) / opens_a_round) < with)
            with = took;
        if ((took = turn(&warn) / opens_a_round) < without)
            without = took;
    }
    printf("cost.strict %lld\ncost.warn %lld\n", with, without);
    end_worker("measured.strict", "m:strict", &strict);
    end_worker("measured.warn", "m:warn", &warn);
}

int main(int count, char **arguments)
{
    struct worker first, second;

    signal(SIGPIPE, SIG_IGN);
    if (count != 3 || chdir(arguments[1]))
        fail("chdir");
    if (!strcmp(arguments[2], "other")) {
        say("other.secret", try_open("src/secret", O_RDONLY));
        make("other");
        return 0;
    }
    if (mkdir("src", 0755) || mkdir("dist", 0755))
        fail("mkdir");
    make("src/declared");
    make("src/secret");
    first = start_worker("t:guarded", "strict", "\"src/declared*\"", guarded, 1);
    second = start_worker("t:neighbour", "strict", "\"src/secret\"", neighbour, 1);
    turn(&first);
    turn(&second);
    say("agent.secret", try_open("src/secret", O_RDONLY));
    end_worker("guarded.status", "t:guarded", &first);
    end_worker("neighbour.status", "t:neighbour", &second);
    tell_again();
    measure();
    make("ready");
    for (int i = 0; i < 600000 && access("other", F_OK); i++)
        usleep(1000);
    say("other.came", access("other", F_OK));
    return 0;
}
