/* Just enough of io_uring for one request at a time, by plain system calls. */
#pragma once

#include <linux/io_uring.h>

int has_uring(void);
int has_uring_names(void); /* IORING_OP_LINKAT and what came before it */
int has_uring_xattr(void);
/* Makes a ring. `flags`: IORING_SETUP_*. Leaves no row. */
void make_uring(unsigned flags);
/* Submits one request and waits for it. Returns its result. */
long submit(struct io_uring_sqe request);
extern int uring_fd;
