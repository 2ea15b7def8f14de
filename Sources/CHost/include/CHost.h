// What a simulated machine asks of the operating system: address ranges, rights to pages, threads,
// semaphores. All of it is POSIX, and what more a system has to offer is used only where it is there. A
// bare-metal build (-ffreestanding) finds no definition of any of this.
#ifndef SWIFT_VMALLOC_CHOST_H
#define SWIFT_VMALLOC_CHOST_H

#include <stdbool.h>
#include <stddef.h>

/// An address range of the process that may not be touched, and costs no memory; null where there is none,
/// with the reason, a value of `errno`, in `error`. It ends at `end` at the latest: where that is not above what
/// a process has anyway, it begins at the first multiple of `alignment` that is free.
void *chost_reserve(size_t byte_count, size_t alignment, size_t end, int *error);
/// Gives back a range, or a part of it. Both ends lie between pages.
void chost_release(void *start, size_t byte_count);

enum chost_rights { chost_rights_none, chost_rights_read, chost_rights_write };
/// What the process may do with the pages of a range; who writes may read. Returns zero, or a value of
/// `errno`.
int chost_set_rights(void *start, size_t byte_count, enum chost_rights rights);
/// A touch of one page of the range is to cost no more than a page, where the system has larger ones.
void chost_use_small_pages(void *start, size_t byte_count);

/// Bytes that are zero; null where there are not so many. They cost no memory before they are touched.
void *chost_make_zeros(size_t byte_count);
void chost_free_zeros(void *start);

/// Whether two blocks of memory hold the same.
bool chost_are_equal(const void *first, const void *second, size_t byte_count);

/// Has an access to a page that the process may not touch call `hook`, on the same thread, in the middle of
/// the access. If it returns true, the access is made again; if not, it is met by what was asked before.
/// Returns zero, or a value of `errno`. Called once in a process.
int chost_set_fault_hook(bool (*hook)(unsigned long address));

typedef void *chost_thread;
/// Runs `body` on a new thread. Returns zero, or a value of `errno`.
int chost_start_thread(chost_thread *thread, void (*body)(void *context), void *context);
/// Waits for a thread to end; once for each.
void chost_join_thread(chost_thread thread);
/// Offers the processor to another thread.
void chost_yield(void);

/// Counts up, and down again: one thread waits for it.
typedef struct chost_semaphore chost_semaphore;
/// Null where there is none.
chost_semaphore *chost_make_semaphore(void);
void chost_destroy_semaphore(chost_semaphore *semaphore);
void chost_signal(chost_semaphore *semaphore);
void chost_wait(chost_semaphore *semaphore);

/// Writes to standard error.
void chost_complain(const char *message);
/// Ends the process as a crash does.
_Noreturn void chost_abort(void);

#endif
