/*
 * A traced container's set-up beside the start of its runtime.
 *
 * crun takes some milliseconds until it opens its config.json, and spoor-runtime takes two to write the augmented one. So
 * that one waits for the other only if it must, this program makes the file, becomes crun, and leaves the rest to a
 * spoor-runtime of its own (shim/runtime/meanwhile.h), which holds a write lease on the file (fcntl(2)): whoever opens it waits
 * until the lease is given up, or the process that holds it has ended.
 *
 * The file has the spec as it came, but for the first byte, which is no JSON. The right one is written last. So whatever is
 * killed or fails, the container starts as it should be or, its spec being none, not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certain.h"
#include "front.h"

extern char **environ;

enum {
	spec_fd = 3,
	runtime_fd = 4,
	parking = 64, /* where descriptors wait while those are being cleared for them */
	words_max = 64,
	/* Seconds, less than the kernel's patience with a lease. Then there is no container. */
	set_up_limit = 30,
	stack_bytes = 64 * 1024,
};

struct start {
	char program[PATH_MAX];
	char *argv[words_max + 8];
	int spec;
	int runtime; /* a pidfd of this process */
	bool done;
	_Alignas(16) char stacks[2][stack_bytes];
};

/*
 * Nothing is left to fail but the execve, which the caller, in the same memory, does not wait for: it becomes the runtime. So what this
 * uses is nobody else's.
 */
static int become_set_up(void *argument)
{
	struct start *start = argument;
	alarm(set_up_limit);
	execve(start->program, start->argv, environ);
	return 1;
}

/* For a child without an exit signal, as in shim/runtime/detached.cc: crun would meet a SIGCHLD that is not its own. */
static int spawn(struct start *start, int level, int (*function)(void *), int flags)
{
	return clone(function, start->stacks[level] + stack_bytes, CLONE_VM | flags, start);
}

/* In a process of its own, whose memory is that of the caller, which stands still meanwhile. */
static int prepare_set_up(void *argument)
{
	struct start *start = argument;
	int spec = fcntl(start->spec, F_DUPFD, parking);
	int runtime = fcntl(start->runtime, F_DUPFD, parking);
	sigset_t none;
	sigemptyset(&none);
	if (spec < 0 || runtime < 0 || dup2(spec, spec_fd) < 0 || dup2(runtime, runtime_fd) < 0 ||
	    syscall(SYS_close_range, runtime_fd + 1, ~0U, 0) != 0)
		return 1;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return 1;
	/* The caller had closed its stderr. */
	if ((start->spec == STDERR_FILENO || start->runtime == STDERR_FILENO) && dup2(null, STDERR_FILENO) < 0)
		return 1;
	setsid();
	signal(SIGALRM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Goes with the descriptor. That somebody waits is told to this process, which will have ended: there is nothing to hurry. */
	if (fcntl(spec_fd, F_SETLEASE, F_WRLCK) != 0)
		return 1;
	start->done = spawn(start, 1, become_set_up, 0) > 0;
	return 0;
}

static bool start_set_up(struct start *start)
{
	int child = spawn(start, 0, prepare_set_up, CLONE_VFORK);
	if (child < 0)
		return false;
	while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
		;
	return start->done;
}

/* The volume that is asked for, or else spoor's own. What keeps it from being made is spoor-runtime's to tell while there is no container. */
static bool can_have_volume(const struct front_asked *asked, const char *root)
{
	char path[PATH_MAX];
	if (!asked->volume)
		return own_volume_can_be_had(root);
	return snprintf(path, sizeof(path), "%.*s", (int)asked->volume_size, asked->volume) < (int)sizeof(path) &&
	       volume_can_be_had(path, root);
}

static bool name_state_dir(const char *id, const char *root, char *dir, size_t room)
{
	return is_plain(id) && *id && strcmp(id, ".") && strcmp(id, "..") && !strchr(id, '/') &&
	       snprintf(dir, room, "%s/containers/%s", root, id) < (int)room;
}

/* The spec without its first byte, as nobody can read it. */
static bool write_unfinished(int fd, const char *spec, size_t size)
{
	struct iovec parts[] = {{"\0", 1}, {(char *)spec + 1, size - 1}};
	return writev(fd, parts, 2) == (ssize_t)size;
}

/* With a umask of which the runtime can read the file. */
static int make_spec(const char *dir, const char *config)
{
	mode_t before = umask(022);
	int fd = -1;
	if (mkdir(dir, 0700) == 0) {
		fd = open(config, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			rmdir(dir);
	}
	umask(before);
	return fd;
}

void become_meanwhile(char *runtime, char **argv, const char *spec, size_t size, const struct front_asked *asked)
{
	static struct start start;
	static char root[PATH_MAX], dir[PATH_MAX], config[PATH_MAX + 16], pid[16];
	char *words[words_max + 4];
	int count = 0;
	while (argv[count])
		count++;
	if (count > words_max || access(runtime, X_OK) || !find_state_root(root, sizeof(root)) ||
	    !name_state_dir(argv[count - 1], root, dir, sizeof(dir)) || !can_have_volume(asked, root) ||
	    !find_spoor_runtime(start.program, sizeof(start.program)))
		return;
	snprintf(config, sizeof(config), "%s/config.json", dir);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	char *const leading[] = {argv[0], "set-up", dir, pid};
	enum { leading_count = sizeof(leading) / sizeof(leading[0]) };
	memcpy(start.argv, leading, sizeof(leading));
	memcpy(start.argv + leading_count, argv, (size_t)(count + 1) * sizeof(argv[0]));
	start.runtime = (int)syscall(SYS_pidfd_open, getpid(), 0);
	start.spec = start.runtime < 0 ? -1 : make_spec(dir, config);
	if (start.spec >= 0) {
		if (write_unfinished(start.spec, spec, size) && start_set_up(&start)) {
			/* The ID is the last word. */
			memcpy(words, argv, (size_t)(count - 1) * sizeof(argv[0]));
			words[0] = runtime;
			words[count - 1] = "--config";
			words[count] = config;
			words[count + 1] = argv[count - 1];
			words[count + 2] = NULL;
			execve(runtime, words, environ);
			/* spoor-runtime fails as well and says why; the other one is left with a runtime that ends. */
		} else {
			unlink(config);
			rmdir(dir);
		}
		close(start.spec);
	}
	if (start.runtime >= 0)
		close(start.runtime);
}
