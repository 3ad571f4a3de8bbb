/* What a process can see of how it was started, one fact a line: the inside of the twin test.
 *
 * probe          all facts
 * probe notify   then "READY=1" to NOTIFY_SOCKET
 * probe wait     then "ready"; tells each signal it gets and ends with 7 on SIGTERM, with 8 on SIGQUIT
 *
 * Inode numbers of pipes and sockets are left out; everything else is printed as it is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void show_descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char link[64], target[512];
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t size = readlink(link, target, sizeof target - 1);
		if (size < 0)
			continue;
		target[size] = 0;
		char *inode = strstr(target, ":[");
		if (inode)
			*inode = 0;
		printf("fd %d: %s, mode %d, flags %d\n", fd, target, fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK),
		       fcntl(fd, F_GETFD));
	}
}

static void show_lines(const char *name, const char *wanted)
{
	char line[4096];
	FILE *file = fopen(name, "re");
	if (!file) {
		printf("%s: %s\n", name, strerror(errno));
		return;
	}
	while (fgets(line, sizeof line, file)) {
		char key[64] = "";
		sscanf(line, "%63[^:]", key);
		if (!wanted || (strstr(wanted, key) && *key))
			printf("%s: %s%s", name, line, strchr(line, '\n') ? "" : "\n");
	}
	fclose(file);
}

/* Of each mount: root, place, options, and the type; ids and devices are the kernel's to choose. */
static void show_mounts(void)
{
	char line[4096];
	FILE *file = fopen("/proc/self/mountinfo", "re");
	while (file && fgets(line, sizeof line, file)) {
		char root[1024], place[1024], options[1024], type[64] = "";
		if (sscanf(line, "%*d %*d %*s %1023s %1023s %1023s", root, place, options) != 3)
			continue;
		const char *rest = strstr(line, " - ");
		if (rest)
			sscanf(rest + 3, "%63s", type);
		printf("mount %s %s %s %s\n", place, root, options, type);
	}
	if (file)
		fclose(file);
}

static void show_processes(void)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int count = 0;
	while (proc && (entry = readdir(proc)))
		count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	if (proc)
		closedir(proc);
	/* Of a later process the number, like its own pid, depends on what is just ending. */
	if (getpid() == 1)
		printf("processes: %d, pid %d, parent %d\n", count, getpid(), getppid());
}

static void show(int argc, char **argv)
{
	char cwd[4096] = "", comm[32] = "";
	int count = 0;
	for (int i = 0; i < argc; i++)
		printf("argv %d: %s\n", i, argv[i]);
	while (environ[count])
		count++;
	qsort(environ, count, sizeof *environ, by_text);
	for (int i = 0; i < count; i++)
		printf("env %s\n", environ[i]);
	show_descriptors();
	printf("cwd %s\n", getcwd(cwd, sizeof cwd) ? cwd : strerror(errno));
	mode_t mask = umask(0);
	umask(mask);
	printf("umask %03o\n", mask);
	prctl(PR_GET_NAME, comm);
	printf("comm %s\n", comm);
	int death = -1, reaper = -1;
	prctl(PR_GET_PDEATHSIG, &death);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	printf("pdeathsig %d, subreaper %d, dumpable %d, securebits %d, keepcaps %d, thp %d, slack %d\n", death, reaper,
	       prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECUREBITS), prctl(PR_GET_KEEPCAPS),
	       prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), prctl(PR_GET_TIMERSLACK));
	printf("leader of session %d, of group %d, nice %d, policy %d, personality %x\n", getsid(0) == getpid(),
	       getpgrp() == getpid(), getpriority(PRIO_PROCESS, 0), sched_getscheduler(0), personality(0xffffffff));
	for (int number = 1; number < 65; number++) {
		struct sigaction action;
		if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_DFL)
			printf("signal %d: %s\n", number, action.sa_handler == SIG_IGN ? "ignored" : "handled");
	}
	show_processes();
	show_lines("/proc/self/status",
		   "Uid Gid Groups SigPnd ShdPnd SigBlk SigIgn SigCgt CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp "
		   "Cpus_allowed_list Umask Threads");
	show_lines("/proc/self/limits", NULL);
	show_lines("/proc/self/oom_score_adj", NULL);
	show_lines("/proc/self/cgroup", NULL);
	show_lines("/proc/self/uid_map", NULL);
	show_lines("/proc/self/attr/current", NULL);
	show_mounts();
	struct winsize size;
	if (isatty(0) && !ioctl(0, TIOCGWINSZ, &size))
		printf("terminal %s: %d x %d, foreground %d\n", ttyname(0) ? ttyname(0) : "?", size.ws_col, size.ws_row,
		       tcgetpgrp(0) == getpgrp());
	struct stat st;
	for (const char *const *path = (const char *const[]){ "/", "/proc", "/dev", "/dev/pts", "/run", "/tmp", NULL }; *path;
	     path++)
		if (!stat(*path, &st))
			printf("mode of %s: %o %u:%u\n", *path, st.st_mode, st.st_uid, st.st_gid);
}

static int notify(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!path || fd < 0)
		return 3;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (sendto(fd, "READY=1", 7, 0, (void *)&address, sizeof address) != 7) {
		perror("NOTIFY_SOCKET");
		return 4;
	}
	return 0;
}

static int wait_for_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int number = 0;
		if (sigwait(&all, &number))
			return 9;
		printf("signal %d\n", number);
		fflush(stdout);
		if (number == SIGTERM || number == SIGQUIT)
			return number == SIGTERM ? 7 : 8;
	}
}

int main(int argc, char **argv)
{
	show(argc, argv);
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "notify"))
		return notify();
	if (argc > 1 && !strcmp(argv[1], "wait"))
		return wait_for_signals();
	return 0;
}
