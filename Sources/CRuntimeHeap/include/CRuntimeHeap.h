// The heap's names. RuntimeHeap (Swift) defines two functions under names that clash with nothing; exports.c
// calls them from those that the Swift runtime asks for. No libc: the header reads the same under
// -ffreestanding on every target.
#ifndef SWIFT_VMALLOC_CRUNTIMEHEAP_H
#define SWIFT_VMALLOC_CRUNTIMEHEAP_H

/// POSIX's error numbers, as `posix_memalign` returns them.
#define RUNTIME_HEAP_EINVAL 22
#define RUNTIME_HEAP_ENOMEM 12

#endif
