// RuntimeHeap (Swift) defines these two under names that clash with nothing; exports.c calls them from those
// that the Swift runtime asks for. No libc: the header reads the same under -ffreestanding on every target.
#ifndef SWIFT_VMALLOC_CRUNTIMEHEAP_H
#define SWIFT_VMALLOC_CRUNTIMEHEAP_H

int runtime_heap_allocate(void **result, __SIZE_TYPE__ alignment, __SIZE_TYPE__ byte_count);
void runtime_heap_free(void *pointer);

#endif
