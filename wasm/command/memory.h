/* memory.h - a host with nothing but the C library, and a storage in memory that can be looked into. */
#ifndef OMEN_COMMAND_MEMORY_H
#define OMEN_COMMAND_MEMORY_H

#include "omendb_host.h"

/* The host of a WASI command: memory, clocks and entropy of the C library; no threads. */
const omen_host *command_host(void);

typedef struct command_file {
    char name[64];
    uint8_t *bytes;
    size_t size, cap;
    int present;
} command_file;

enum { COMMAND_MAX_FILES = 64 };
typedef struct command_files {
    command_file files[COMMAND_MAX_FILES];
} command_files;

/* A storage over `files`, which outlive it. Zeroed files are an empty place. */
omen_storage command_storage(command_files *files);
void command_files_deinit(command_files *files);

#endif
