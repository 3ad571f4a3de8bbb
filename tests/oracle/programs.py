"""Real programs for the oracle. Each function prepares a directory and returns the command to run there."""

import os
import shutil
import subprocess
from pathlib import Path


def write(directory, files):
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def gcc(work):
    """A small C project: several units, a library, headers in two directories, an incremental rebuild."""
    units = {f"src/unit{i}.c": f'#include "../include/all.h"\n#include <stdio.h>\n#include <math.h>\n'
                               f'int unit{i}(int x) {{ printf("%d %f", x, sqrt(x)); return x + {i}; }}\n'
             for i in range(5)}
    write(work, {
        **units,
        "include/all.h": "#pragma once\n" + "".join(f"int unit{i}(int);\n" for i in range(5)),
        "src/main.c": '#include <all.h>\nint main(void) { return unit0(0) + unit4(-4) - 0; }\n',
        "build.sh": """set -e
mkdir -p out
for unit in src/*.c; do gcc -Wall -O1 -Iinclude -Imissing -c $unit -o out/$(basename $unit .c).o; done
ar rcs out/libunits.a out/unit*.o
gcc -o out/program out/main.o -Lout -lunits -lm
./out/program > out/printed || true
touch include/all.h
gcc -Wall -O1 -Iinclude -MMD -c src/main.c -o out/main.o
strip out/program
rm out/unit0.o
""",
    })
    return ["/bin/sh", "build.sh"]


def make(work):
    gcc(work)
    write(work, {"Makefile": """objects = $(patsubst src/%.c,out/%.o,$(wildcard src/*.c))
out/program: $(objects)
\tgcc -o $@ $^ -lm
out/%.o: src/%.c include/all.h | out
\tgcc -Iinclude -c $< -o $@
out:
\tmkdir out
"""})
    return ["/bin/sh", "-c", "make -j2 && make && touch src/unit1.c && make"]


def cmake(work):
    gcc(work)
    write(work, {"CMakeLists.txt": """cmake_minimum_required(VERSION 3.20)
project(small C)
file(GLOB units src/unit*.c)
add_library(units STATIC ${units})
target_include_directories(units PUBLIC include)
target_link_libraries(units m)
add_executable(small src/main.c)
target_link_libraries(small units)
"""})
    return ["/bin/sh", "-c", "cmake -S . -B out -G 'Unix Makefiles' && cmake --build out"]


def git(work):
    write(work, {f"repo/dir{i % 3}/file{i}.txt": f"line {i}\n" * 20 for i in range(30)})
    write(work, {"steps.sh": """set -e
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
git config --global user.email a@example.org
git config --global user.name A
cd repo
git init -q -b main .
git add .
git commit -q -m first
echo more >> dir0/file0.txt
git status --short
git commit -q -a -m second
git branch side
git mv dir1/file1.txt dir2/moved.txt
git stash -q
cd ..
git clone -q repo clone
cd clone
git status --short
git log --oneline
git checkout -q -b topic HEAD~1
git gc -q
git diff HEAD main --stat
"""})
    return ["/bin/bash", "steps.sh"]


def python(work):
    write(work, {"package/__init__.py": "", "package/work.py": """import json, os, tempfile
def square(n):
    with tempfile.NamedTemporaryFile("w", dir=".", suffix=".part", delete=False) as file:
        json.dump({"n": n * n}, file)
    os.replace(file.name, f"result-{n}.json")
    return n * n
""", "main.py": """import concurrent.futures, glob, multiprocessing, os, shutil, subprocess, threading
from package.work import square
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(pool.map(square, range(6)))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(square, range(6, 9)))
    threads = [threading.Thread(target=square, args=(n,)) for n in range(20, 24)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(sorted(glob.glob("*.json")), os.path.exists("nothing"))
    os.mkdir("copies")
    for name in glob.glob("result-*.json"): shutil.copy2(name, "copies")
    os.symlink("copies", "link")
    print(os.listdir("link"), os.stat("link/../main.py").st_size)
    shutil.rmtree("copies")
    subprocess.run(["cat", "main.py"], stdout=subprocess.DEVNULL, check=True)
"""})
    return ["/usr/bin/python3", "main.py"]


def shell(work):
    """Odd names and odd turns."""
    write(work, {"steps.sh": r"""
mkdir -p a/b 'sp ace' "$(printf 'new\nline')" "$(printf '\377\376')"
cd a/b; echo one > ../../one; cd ../..
ln -s a/b link; cd link; cat ../../one; cd "$OLDPWD"
cat link/../../one; cat nothing/x one/x 2>&1
echo x > 'sp ace/quote"s'; echo y > "$(printf 'new\nline/<angle>(deleted)')"; echo z > "$(printf '\377\376/x')"
cat sp*/* new*/* 2>&1; ls -la . a >/dev/null; find . -type f | wc -l
exec 5< one; rm one; read line <&5; echo "$line"; exec 5<&-
mv a/b a/c; cp -a a d; ln d/nothing e 2>/dev/null; touch -d 2020-01-01 f; ln f g; chmod 600 g; mknod p p
tar cf t.tar a d f; mkdir x; tar xf t.tar -C x; rm -rf a d x; truncate -s 5 f; rmdir 'no dir' a 2>/dev/null
printf '#!/bin/sh\necho script $1\n' > s; chmod +x s; ./s 1; printf 'echo plain\n' > n; chmod +x n; ./n; ./missing
dd if=f of=h bs=1 count=2 conv=notrunc,sync status=none; sort -o f f; sed -i s/a/b/ f; install -m 755 f i
head -c 100000 /dev/zero | gzip > z.gz; zcat z.gz | wc -c; diff f g; true
"""})
    return ["/bin/bash", "steps.sh"]


def moving(work):
    """Working directories that move under the caller: what a relative name meant is known only from
    before the call. `test` makes strace write down where the shell is now."""
    return ["/bin/bash", "-c", "mkdir -p a/b; ln -s a/b link; cd -P link; mv ../b ../c; test -e .; mkdir x; cd -P x; "
                               "rmdir ../x; cat y; mv ../../c ../../d; test -e .; cd /; chroot . true; true"]


# ------------------------------------------------------------------------- with prepare_node.sh


# The directory that prepare_node.sh filled.
NODE_PROJECTS = Path(os.environ.get("SPOOR_ORACLE_NODE", os.getcwd()))


def take(name, work):
    source = NODE_PROJECTS / name
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is not there: run prepare_node.sh, and go to its directory or name it "
                                "in SPOOR_ORACLE_NODE")
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", work], check=True)


def webpack(work):
    take("webpack", work)
    return ["npm", "run", "build"]


def tsc(work):
    take("node", work)
    return ["/bin/sh", "-c", "./node_modules/.bin/tsc && node out/main.js && touch src/main.ts && ./node_modules/.bin/tsc"]


def npm_install(work):
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE_PROJECTS / "node" / name, work)
    subprocess.run(["cp", "-a", "--reflink=auto", NODE_PROJECTS / "npm-cache", work], check=True)
    return ["npm", "ci", "--offline", "--cache", "npm-cache", "--loglevel", "error"]


PROGRAMS = {function.__name__: function
            for function in (shell, moving, gcc, make, cmake, git, python, npm_install, webpack, tsc)}
