// What the Swift runtime asks a platform for, under its names. In C, because the compiler keeps `free` and
// every `_swift_` name for itself and warns of a Swift function that takes one. On a hosted system this file is
// empty: the process has a heap, and these names would take its place.
#include "CRuntimeHeap.h"

#if !__STDC_HOSTED__

typedef __SIZE_TYPE__ size;

// MARK: Embedded Swift 6.3

int posix_memalign(void **result, size alignment, size byte_count) {
  return runtime_heap_allocate(result, alignment, byte_count);
}

void free(void *pointer) { runtime_heap_free(pointer); }

// MARK: Embedded Swift 6.4
//
// Its platform layer (swift/EmbeddedPlatform.h). 6.3 has no function of these names, so that they clash
// with nothing there, and a linker that drops what is not used drops them.

#define SWIFT_ALLOC_ZERO_MEMORY 1ul
/// What zero stands for, where a caller leaves the alignment to the platform.
#define DEFAULT_ALIGNMENT 16

void *_swift_allocate(size alignment, size byte_count, unsigned long long flags) {
  void *memory = 0;
  if (alignment == 0) alignment = DEFAULT_ALIGNMENT;
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  if (runtime_heap_allocate(&memory, alignment, byte_count) != 0) return 0;
  if (flags & SWIFT_ALLOC_ZERO_MEMORY) __builtin_memset(memory, 0, byte_count);
  return memory;
}

void _swift_deallocate(void *pointer, size alignment, size byte_count, unsigned long long flags) {
  (void)alignment;
  (void)byte_count;
  (void)flags;
  runtime_heap_free(pointer);
}

void *_swift_typedAllocate(size byte_count, size alignment, unsigned long long flags,
                           unsigned long long type) {
  (void)type;
  return _swift_allocate(alignment, byte_count, flags);
}

void _swift_typedDeallocate(void *pointer, size byte_count, size alignment, unsigned long long flags,
                            unsigned long long type) {
  (void)type;
  _swift_deallocate(pointer, alignment, byte_count, flags);
}

#endif
