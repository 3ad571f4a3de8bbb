/* An ordinary small static program: reads the file it is told of and says so. */
#include <stdio.h>

int main(int argc, char **argv)
{
    char line[256] = "";
    FILE *file = fopen(argc > 1 ? argv[1] : "/absent", "r");

    if (!file || !fgets(line, sizeof(line), file)) {
        perror("hello");
        return 1;
    }
    printf("hello, %s", line);
    return 0;
}
