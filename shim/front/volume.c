/*
 * Whether a container's volume is likely to be had.
 *
 * A volume that cannot be had forbids the container's start, and spoor says why. With a set-up beside the start of crun
 * (meanwhile.c) crun would have the last word, about a spec that is none. So where a look tells that spoor will complain,
 * spoor-runtime does so while there is no crun.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front.h"

bool is_plain(const char *name)
{
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			return false;
	return true;
}

bool find_state_root(char *root, size_t room)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	const char *above = runtime_dir && *runtime_dir == '/' ? runtime_dir : "/run";
	return is_plain(above) && snprintf(root, room, "%s/spoor", above) < (int)room;
}

static bool is_directory_to_write(int at, const char *name)
{
	struct stat st;
	return !fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode) &&
	       !faccessat(at, name, R_OK | W_OK | X_OK, 0);
}

bool own_volume_can_be_had(const char *root)
{
	char volumes[PATH_MAX];
	return snprintf(volumes, sizeof(volumes), "%s/volumes", root) < (int)sizeof(volumes) &&
	       is_directory_to_write(AT_FDCWD, volumes);
}

/* is_host_root() of shim/runtime/environment.cc, with the kernel's own spelling (/proc/PID/uid_map has columns). */
static bool is_host_root(void)
{
	static const char whole[] = "         0          0 4294967295\n";
	char map[sizeof(whole)];
	if (geteuid())
		return false;
	int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	ssize_t size = read(fd, map, sizeof(map));
	close(fd);
	return size == sizeof(whole) - 1 && !memcmp(map, whole, sizeof(whole) - 1);
}

/* Each directory from `top` to that of `path`, which lies beneath it, is root's alone: check_ancestry() of volume_choice.cc. */
static bool is_roots_alone(const char *path, const char *top)
{
	char at[PATH_MAX];
	struct stat st;
	size_t length = strlen(top);
	if (strncmp(path, top, length) || path[length] != '/')
		return false;
	for (const char *slash = path + length; slash; slash = strchr(slash + 1, '/')) {
		snprintf(at, sizeof(at), "%.*s", (int)(slash - path), path);
		if (lstat(at, &st) || !S_ISDIR(st.st_mode) || st.st_uid || (st.st_mode & 022))
			return false;
	}
	return true;
}

static bool part_can_be_had(int volume, const char *name)
{
	struct stat st;
	if (fstatat(volume, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT;
	return is_directory_to_write(volume, name);
}

static bool is_missing_from_directory(const char *path)
{
	char above[PATH_MAX];
	struct stat st;
	const char *slash = strrchr(path, '/');
	size_t length = slash > path ? (size_t)(slash - path) : 1;
	if (length >= sizeof(above))
		return false;
	memcpy(above, path, length);
	above[length] = '\0';
	return lstat(path, &st) && errno == ENOENT && !access(above, W_OK | X_OK);
}

/* config/config.h: volumes.roots. */
static const char default_volumes_root[] = "/var/lib/spoor/volumes";

bool volume_can_be_had(const char *path, const char *root)
{
	if (is_host_root() && !is_roots_alone(path, default_volumes_root) && !is_roots_alone(path, root))
		return false;
	if (!is_directory_to_write(AT_FDCWD, path))
		return is_missing_from_directory(path);
	int volume = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (volume < 0)
		return false;
	bool done = part_can_be_had(volume, "trace") && part_can_be_had(volume, "agent");
	close(volume);
	return done;
}
