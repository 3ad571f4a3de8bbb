/* spoor's hooks: one message to the recorder; spoor-runtime has what is unusual of them (shim/runtime/hook.cc). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "front.h"

struct hook {
	char **argv;
	int words;
	const char *state_dir;
	int deadline_ms;
	char state[65536]; /* what the runtime wrote to stdin */
	size_t state_size;
};

static bool number(const char *text, int *out)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || end == text || *end || *text < '0' || *text > '9' || value > INT_MAX)
		return false;
	*out = (int)value;
	return true;
}

/* Pairs of a name and a value, as shim/runtime/tracing.cc makes them. */
static bool read_arguments(struct hook *hook)
{
	for (int i = 3; i < hook->words; i += 2) {
		const char *name = hook->argv[i];
		const char *value = hook->argv[i + 1];
		if (!value)
			return false;
		if (!strcmp(name, "--state"))
			hook->state_dir = value;
		else if (!strcmp(name, "--deadline-ms") && !number(value, &hook->deadline_ms))
			return false;
	}
	return hook->state_dir && hook->deadline_ms > 0;
}

/* Whole, also if nobody needs it: a closed pipe is an error to who writes. */
static bool read_state(struct hook *hook)
{
	while (hook->state_size < sizeof(hook->state)) {
		ssize_t got = read(STDIN_FILENO, hook->state + hook->state_size, sizeof(hook->state) - hook->state_size);
		if (got == 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0)
			hook->state_size += (size_t)got;
	}
	return false;
}

/* stdin as it was, but for being a file. */
static bool put_state_back(const struct hook *hook)
{
	int fd = memfd_create("state", 0);
	if (fd < 0)
		return false;
	char rest[4096];
	ssize_t size = write(fd, hook->state, hook->state_size);
	bool done = size == (ssize_t)hook->state_size;
	while (done && (size = read(STDIN_FILENO, rest, sizeof(rest))) != 0) {
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			break;
		done = write(fd, rest, (size_t)size) == size;
	}
	done = done && lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO;
	close(fd);
	return done;
}

/* With one more option, unless `name` is NULL: the last one of a name counts. */
static int leave_to_spoor_runtime(const struct hook *hook, char *name, char *value)
{
	char *argv[32];
	int words = hook->words;
	if (words + 3 > (int)(sizeof(argv) / sizeof(argv[0])) || !put_state_back(hook))
		return become_spoor_runtime(hook->argv);
	memcpy(argv, hook->argv, (size_t)words * sizeof(argv[0]));
	if (name) {
		argv[words++] = name;
		argv[words++] = value;
	}
	argv[words] = NULL;
	return become_spoor_runtime(argv);
}

/*
 * The number behind a key "pid". In JSON a quote within a string has a backslash before it, so that one which
 * follows a brace, a comma or a blank begins a key or a value; values of the state's other members are strings.
 */
static int pid_of(const struct hook *hook)
{
	static const char key[] = "\"pid\"";
	const char *begin = hook->state;
	const char *end = begin + hook->state_size;
	for (const char *at = begin; (at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1)); at++) {
		const char *digits = at + sizeof(key) - 1;
		if (at == begin || !strchr("{, \t\r\n", at[-1]))
			continue;
		while (digits < end && strchr(" \t\r\n:", *digits))
			digits++;
		long pid = 0;
		const char *digit = digits;
		for (; digit < end && *digit >= '0' && *digit <= '9' && pid <= INT_MAX; digit++)
			pid = pid * 10 + (*digit - '0');
		if (digit > digits && digit < end && pid > 0 && pid <= INT_MAX)
			return (int)pid;
	}
	return 0;
}

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum outcome { answered, unreachable, timed_out };

/* shim/ipc/control.h, the side of who asks. `answer` becomes a string. */
static enum outcome ask(const char *state_dir, const char *request, int deadline_ms, char *answer, size_t room)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = deadline_ms / 1000, .tv_usec = deadline_ms % 1000 * 1000};
	long end = now_ms() + deadline_ms;
	int dir = open(state_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	enum outcome outcome = unreachable;
	if (dir < 0 || fd < 0)
		goto out;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control", dir);
	/* connect and send wait that long if the listener's queue is full. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
		if (errno == EAGAIN)
			outcome = timed_out;
		goto out;
	}
	for (;;) {
		struct pollfd item = {.fd = fd, .events = POLLIN};
		long left = end - now_ms();
		int ready = poll(&item, 1, left > 0 ? (int)left : 0);
		if (ready == 0)
			outcome = timed_out;
		if (ready > 0)
			break;
		if (ready == 0 || errno != EINTR)
			goto out;
	}
	ssize_t size = recv(fd, answer, room - 1, MSG_TRUNC);
	if (size > 0 && (size_t)size < room) {
		answer[size] = '\0';
		outcome = answered;
	}
out:
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return outcome;
}

static char success[] = "{\"ok\":true}";

static bool is_success(const char *answer) { return !strcmp(answer, success); }

static int create_runtime(struct hook *hook)
{
	static char answer[16384 + 1];
	char request[64];
	int pid = pid_of(hook);
	if (!pid)
		return leave_to_spoor_runtime(hook, NULL, NULL);
	snprintf(request, sizeof(request), "{\"op\":\"arm\",\"pid\":%d}", pid);
	switch (ask(hook->state_dir, request, hook->deadline_ms, answer, sizeof(answer))) {
	case answered:
		if (is_success(answer))
			return 0;
		return leave_to_spoor_runtime(hook, "--answer", answer);
	case timed_out:
		return leave_to_spoor_runtime(hook, "--deadline-ms", "0");
	case unreachable:
		break;
	}
	return leave_to_spoor_runtime(hook, NULL, NULL);
}

/* shim/runtime/sweep.h: once a minute is enough, and it is spoor-runtime's work. */
static bool swept_of_late(const char *state_dir)
{
	enum { sweep_every_s = 60 };
	char root[PATH_MAX];
	struct stat st;
	const char *slash = strrchr(state_dir, '/');
	if (!slash ||
	    snprintf(root, sizeof(root), "%.*s/..", (int)(slash - state_dir), state_dir) >= (int)sizeof(root))
		return false;
	time_t now = time(NULL);
	return !lstat(root, &st) && st.st_mtime <= now && now - st.st_mtime < sweep_every_s;
}

static int poststop(struct hook *hook)
{
	/* As in shim/runtime/hook.cc: for writing the reports, which may be long. */
	enum { finish_deadline_ms = 10000 };
	char answer[64];
	struct stat st;
	if (lstat(hook->state_dir, &st) == 0) {
		enum outcome outcome =
			ask(hook->state_dir, "{\"op\":\"finish\"}", finish_deadline_ms, answer, sizeof(answer));
		if (outcome == timed_out)
			return 0; /* it goes on writing */
		/* Gone meanwhile: the recorder has finished by itself. */
		bool finished = outcome == answered ? is_success(answer) : lstat(hook->state_dir, &st) && errno == ENOENT;
		if (!finished)
			return leave_to_spoor_runtime(hook, NULL, NULL);
	}
	return swept_of_late(hook->state_dir) ? 0 : leave_to_spoor_runtime(hook, "--answer", success);
}

int run_hook(char **argv, int words)
{
	static struct hook hook;
	hook.argv = argv;
	hook.words = words;
	if (!read_arguments(&hook))
		return become_spoor_runtime(argv);
	if (!read_state(&hook))
		return leave_to_spoor_runtime(&hook, NULL, NULL);
	if (!strcmp(argv[2], "create-runtime"))
		return create_runtime(&hook);
	if (!strcmp(argv[2], "poststop"))
		return poststop(&hook);
	return leave_to_spoor_runtime(&hook, NULL, NULL);
}
