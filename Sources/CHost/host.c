#if __STDC_HOSTED__ && !defined(_WIN32)

// Names besides those of POSIX: MAP_ANONYMOUS, madvise.
#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#include "CHost.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// MARK: Memory

// Elsewhere such a mapping costs nothing either, before it is touched.
#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

static void *reserve(void *place, size_t byte_count, int *error) {
  void *start = mmap(place, byte_count, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start != MAP_FAILED) return start;
  *error = errno;
  return NULL;
}

void *chost_reserve(size_t byte_count, size_t alignment, size_t end, int *error) {
  // A process has 47 bits on most machines, and has its own memory at the top of them.
  if (end >= (size_t)1 << 47) return reserve(NULL, byte_count, error);
  for (size_t place = alignment; place + byte_count <= end; place += alignment) {
    void *start = reserve((void *)place, byte_count, error);
    if (start == NULL || start == (void *)place) return start;
    munmap(start, byte_count);
  }
  *error = ENOMEM;
  return NULL;
}

void chost_release(void *start, size_t byte_count) {
  if (byte_count > 0) munmap(start, byte_count);
}

int chost_set_rights(void *start, size_t byte_count, enum chost_rights rights) {
  static const int all[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
  return mprotect(start, byte_count, all[rights]) == 0 ? 0 : errno;
}

void chost_use_small_pages(void *start, size_t byte_count) {
#if defined(MADV_NOHUGEPAGE)
  (void)madvise(start, byte_count, MADV_NOHUGEPAGE);
#else
  (void)start;
  (void)byte_count;
#endif
}

void *chost_make_zeros(size_t byte_count) { return calloc(byte_count, 1); }

void chost_free_zeros(void *start) { free(start); }

bool chost_are_equal(const void *first, const void *second, size_t byte_count) {
  return memcmp(first, second, byte_count) == 0;
}

// MARK: Faults

// Linux reports pages that may not be touched by the one signal, others by the other.
static const int fault_signals[2] = {SIGSEGV, SIGBUS};
static struct sigaction former_actions[2];
static bool (*fault_hook)(unsigned long address);

static void meet_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  if (fault_hook((unsigned long)info->si_addr)) return;
  int index = number == fault_signals[0] ? 0 : 1;
  (void)sigaction(number, &former_actions[index], NULL);
}

int chost_set_fault_hook(bool (*hook)(unsigned long address)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = meet_fault;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  fault_hook = hook;
  for (int index = 0; index < 2; index += 1) {
    if (sigaction(fault_signals[index], &action, &former_actions[index]) != 0) return errno;
  }
  return 0;
}

// MARK: Threads

struct start {
  void (*body)(void *context);
  void *context;
};

static void *run_thread(void *argument) {
  struct start start = *(struct start *)argument;
  free(argument);
  start.body(start.context);
  return NULL;
}

int chost_start_thread(chost_thread *thread, void (*body)(void *context), void *context) {
  struct start *start = malloc(sizeof *start);
  if (start == NULL) return ENOMEM;
  *start = (struct start){body, context};
  pthread_t started;
  int error = pthread_create(&started, NULL, run_thread, start);
  if (error != 0) {
    free(start);
    return error;
  }
  // A number or a pointer.
  *thread = (chost_thread)started;
  return 0;
}

void chost_join_thread(chost_thread thread) { (void)pthread_join((pthread_t)thread, NULL); }

void chost_yield(void) { (void)sched_yield(); }

// MARK: Semaphores

// Those of POSIX cost a thread that need not wait nothing; macOS has none without a name.
#if !defined(__APPLE__) && !defined(CHOST_WITHOUT_SEMAPHORES)
#include <semaphore.h>

struct chost_semaphore {
  sem_t value;
};

static int init(chost_semaphore *semaphore) { return sem_init(&semaphore->value, 0, 0); }

static void destroy(chost_semaphore *semaphore) { (void)sem_destroy(&semaphore->value); }

void chost_signal(chost_semaphore *semaphore) { (void)sem_post(&semaphore->value); }

void chost_wait(chost_semaphore *semaphore) {
  // Only a signal handler ends the wait early.
  while (sem_wait(&semaphore->value) != 0) {}
}

#else

struct chost_semaphore {
  pthread_mutex_t mutex;
  pthread_cond_t above_zero;
  unsigned long value;
};

static int init(chost_semaphore *semaphore) {
  semaphore->value = 0;
  if (pthread_mutex_init(&semaphore->mutex, NULL) != 0) return -1;
  if (pthread_cond_init(&semaphore->above_zero, NULL) == 0) return 0;
  (void)pthread_mutex_destroy(&semaphore->mutex);
  return -1;
}

static void destroy(chost_semaphore *semaphore) {
  (void)pthread_cond_destroy(&semaphore->above_zero);
  (void)pthread_mutex_destroy(&semaphore->mutex);
}

void chost_signal(chost_semaphore *semaphore) {
  (void)pthread_mutex_lock(&semaphore->mutex);
  semaphore->value += 1;
  (void)pthread_cond_signal(&semaphore->above_zero);
  (void)pthread_mutex_unlock(&semaphore->mutex);
}

void chost_wait(chost_semaphore *semaphore) {
  (void)pthread_mutex_lock(&semaphore->mutex);
  while (semaphore->value == 0) (void)pthread_cond_wait(&semaphore->above_zero, &semaphore->mutex);
  semaphore->value -= 1;
  (void)pthread_mutex_unlock(&semaphore->mutex);
}

#endif

chost_semaphore *chost_make_semaphore(void) {
  chost_semaphore *semaphore = malloc(sizeof *semaphore);
  if (semaphore != NULL && init(semaphore) == 0) return semaphore;
  free(semaphore);
  return NULL;
}

void chost_destroy_semaphore(chost_semaphore *semaphore) {
  destroy(semaphore);
  free(semaphore);
}

// MARK: The end

void chost_complain(const char *message) { (void)!write(STDERR_FILENO, message, strlen(message)); }

_Noreturn void chost_abort(void) { abort(); }

#endif
