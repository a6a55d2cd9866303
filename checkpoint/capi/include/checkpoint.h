/*
 * checkpoint.h: programs as sequences of nodes that can be rolled back.
 *
 * The interface is that of HAFTA's checkpoint library; programs written for it compile unmodified. Compile with
 * `cc program.c $(pkg-config --cflags --libs checkpoint)`.
 *
 * A node is up to three functions under one number. The normal function does the work, records by HC_Checkpoint() how far
 * it got, and reports success with the next node or failure with an error. The rollback function undoes what the checkpoint
 * says, and reports as well. The policy function is asked about each report and answers with a verdict: what to do next.
 *
 * Functions here return HC_OK (0), or another HC_ code when they have done nothing; HC_Strerror() has a text for each. They
 * are safe in threads, must not be called in signal handlers, and print nothing but what HC_Panic() is given.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

/* Not needed here: clients of HAFTA rely on them. */
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A sequence. */
typedef struct HC_Sequence HC_Sequence_t;

/* What a policy function is asked about. */
typedef int HC_PolicyEvent_t;

/* An entry of a node list: one function of one node. Entries with the same number make up the node, in any order. */
typedef struct HC_NodelistNode {
    int node;       /* its number; not 0, which stands for the end of the sequence */
    int kind;       /* which function this is: HC_NORMALFUNC and so on; HC_LISTEND ends the list */
    void *function; /* of the type below that belongs to the kind; NULL for one that the node does not have */
} HC_NodelistNode_t;

/*
 * The functions of a node. `userdata` is what HC_CallSequence() was given.
 *
 * They run in the thread that has called HC_CallSequence(), with no lock of the library held, and may run other sequences.
 * Each reports once before it returns; of several reports the last one counts, and an observer is told. A normal or a
 * rollback function that returns without a report has failed, with the value returned as its error; one that has reported
 * may return what it likes. A policy function that returns without a verdict ends the run with HC_NOVERDICT.
 *
 * They must not leave by longjmp(), pthread_exit() or cancellation: the sequence then counts as running for ever (HC_BUSY).
 * A C++ exception ends the run and comes out of HC_CallSequence(); the sequence can be called again.
 */
typedef int (*HC_NormalFunc_t)(HC_Sequence_t *sequence, void *userdata);
typedef int (*HC_RollbackFunc_t)(HC_Sequence_t *sequence, void *userdata, unsigned long checkpoint);
typedef int (*HC_PolicyFunc_t)(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data);

enum {
    /* Kinds of functions. A node must have a normal function. */
    HC_LISTEND = 0,
    HC_NORMALFUNC = 1,
    HC_ROLLBACKFUNC = 2, /* without one, rolling back succeeds at once and the node is tried again */
    HC_POLICYFUNC = 3,   /* without one, HC_DefaultPolicy() answers */

    /* Events: one for each way to report. */
    HC_NORMALSUCCESS = 1,
    HC_NORMALFAIL = 2,
    HC_ROLLBACKSUCCESS = 3,
    HC_ROLLBACKFAIL = 4,

    /* What functions return. */
    HC_OK = 0,
    HC_FAILED = 1,        /* a policy has failed the sequence */
    HC_PASTFIRST = 2,     /* a policy went back from the first node */
    HC_NONODE = 3,        /* the sequence has no node of this number */
    HC_NOVERDICT = 4,     /* a policy function has returned without a verdict */
    HC_NOSEQUENCE = 5,    /* the pointer is NULL, or of a sequence that was deleted */
    HC_BUSY = 6,          /* the sequence is running */
    HC_NOTRUNNING = 7,    /* this is for functions of a sequence that runs, in the thread in which they run */
    HC_WRONGFUNC = 8,     /* this is for another kind of function than the one that runs */
    HC_BADARGUMENT = 9,   /* an argument has a value that is not known */
    HC_NOLIST = 10,       /* the node list is NULL, or has no entry */
    HC_NONORMALFUNC = 11, /* a node has no normal function */
    HC_DUPLICATE = 12,    /* a node has two functions of a kind */
    HC_BADKIND = 13,      /* an entry's kind is not known: is HC_LISTEND missing? */
    HC_RESERVED = 14      /* an entry has the node number 0 */
};

/*
 * Making, running and deleting a sequence
 */

/*
 * Makes a sequence of a list of nodes, which is copied.
 *
 * Returns NULL, with errno EINVAL, when the list is refused; HC_CheckNodelist() says why. All functions here survive NULL. A
 * program that has no memory left is ended.
 */
HC_Sequence_t *HC_NewSequence(HC_NodelistNode_t *list);

/*
 * Runs a sequence from node `start_node` on, like one function call: in this thread, until a verdict ends it.
 *
 * Returns HC_OK when it has finished; HC_FAILED, HC_PASTFIRST, HC_NONODE or HC_NOVERDICT when it ended otherwise;
 * HC_NOSEQUENCE, HC_BUSY, or HC_NONODE for `start_node`, when it did not begin. Different sequences may run at the same time.
 */
int HC_CallSequence(HC_Sequence_t *sequence, void *userdata, int start_node);

/*
 * Deletes a sequence; one that is running, as soon as it has ended.
 *
 * NULL is allowed. A pointer to one of the last 64 sequences that were deleted is known for what it is and gets
 * HC_NOSEQUENCE; older ones must not be used.
 */
void HC_DeleteSequence(HC_Sequence_t *sequence);

/*
 * For normal and rollback functions
 */

/*
 * Reports. The default policy takes the `data` of a success for the number of the next node, 0 for the end; that of a failure
 * for an error that it does not look at. A policy of your own may take them for anything.
 *
 * Return HC_OK; HC_NOSEQUENCE, HC_NOTRUNNING; or HC_WRONGFUNC when the report is for the other kind of function.
 */
int HC_NormalSuccess(HC_Sequence_t *sequence, long data);
int HC_NormalFail(HC_Sequence_t *sequence, long data);
int HC_RollBackSuccess(HC_Sequence_t *sequence, long data);
int HC_RollBackFail(HC_Sequence_t *sequence, long data);

/*
 * Records how far the running function has got. The last value is handed to the rollback function of this visit, whether a
 * normal or a rollback function has set it. Each time the normal function is entered it begins with 0: nothing to undo.
 *
 * Returns HC_OK, HC_NOSEQUENCE, HC_NOTRUNNING, or HC_WRONGFUNC in a policy function.
 */
int HC_Checkpoint(HC_Sequence_t *sequence, unsigned long value);

/*
 * For policy functions
 */

/*
 * Verdicts. The last one counts. Return HC_OK, HC_NOSEQUENCE, HC_NOTRUNNING, or HC_WRONGFUNC in another function.
 *
 * HC_RollBackCurrent  runs the rollback function of the current node.
 * HC_RollBackPrev     leaves the current node, whose rollback function does not run, and runs that of the node before it with
 *                     the checkpoint of its own visit. From the first node this ends the run with HC_PASTFIRST.
 */
int HC_RollBackCurrent(HC_Sequence_t *sequence);
int HC_RollBackPrev(HC_Sequence_t *sequence);

/*
 * The verdict of the default policy:
 *
 *   HC_NORMALSUCCESS    go to node `policy_data`; finish when it is 0
 *   HC_NORMALFAIL       HC_RollBackCurrent; at the fifth in a row HC_RollBackPrev. Only failures that are answered here count.
 *                       Success of the node, and leaving it, begin the count anew.
 *   HC_ROLLBACKSUCCESS  as HC_NORMALSUCCESS
 *   HC_ROLLBACKFAIL     HC_RollBackPrev
 *
 * Returns as the verdicts do, or HC_BADARGUMENT for another event. May also stand in a node list.
 */
int HC_DefaultPolicy(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data);

/*
 * Beyond HAFTA: more verdicts
 *
 * HC_GoTo    runs the normal function of another node, or of this one again. If that was visited before and not left
 *            backwards, all nodes visited since are forgotten, without being rolled back. HC_NONODE ends the run when there
 *            is no such node.
 * HC_Finish  ends the run with HC_OK.
 * HC_Fail    ends the run with HC_FAILED; no rollback function runs.
 */
int HC_GoTo(HC_Sequence_t *sequence, long node);
int HC_Finish(HC_Sequence_t *sequence);
int HC_Fail(HC_Sequence_t *sequence);

/*
 * When a program cannot go on
 */

/* What HC_Panic() calls, with its message, before it ends the program. */
typedef void (*HC_PanicHook_t)(const char *message);

/*
 * For states that cannot be: prints the message, formatted as by printf() and of any length, to standard error, calls the hook
 * if there is one, and aborts the program, so that a supervisor starts it again. Does not return.
 */
#ifdef __GNUC__
__attribute__((__noreturn__, __format__(__printf__, 2, 3)))
#endif
void HC_Panic(HC_Sequence_t *sequence, const char *format, ...);

/* Sets the hook of HC_Panic(), for the whole program; NULL for none. Returns the one before. */
HC_PanicHook_t HC_SetPanicHook(HC_PanicHook_t hook);

/* A text for what a function has returned: a phrase that goes on from "Sequence was: ". Never NULL, and never freed. */
const char *HC_Strerror(int code);

/*
 * Beyond HAFTA: looking on
 */

/* Returns HC_OK if HC_NewSequence() will make a sequence of the list, or why not: HC_NOLIST to HC_RESERVED. */
int HC_CheckNodelist(const HC_NodelistNode_t *list);

/* How often the normal function of the running node was entered since it last succeeded, from 1; 0 outside of a run. */
unsigned HC_Attempt(HC_Sequence_t *sequence);

/*
 * The last failure of the last run, or of this one: which node reported it, and with what error.
 *
 * Returns HC_OK; HC_NONODE when there was none, and changes nothing then; HC_NOSEQUENCE; or HC_BUSY when the sequence runs in
 * another thread. `node` and `data` may be NULL.
 */
int HC_LastFailure(HC_Sequence_t *sequence, int *node, long *data);

/* What an observer is told. */
typedef struct HC_Observation {
    int what;               /* one of these: */
#define HC_SAW_EVENT 1      /* a function has ended: `event` and `data` are what its policy is asked about */
#define HC_SAW_VERDICT 2    /* the policy has answered: `verdict`, and `data` is the node to go to */
#define HC_SAW_REPLACED 3   /* a function reports again: `event` and `data` are the report that does not count */
    int node;               /* the node whose function it is */
    HC_PolicyEvent_t event; /* which event this is, or is about */
    int verdict;            /* with HC_SAW_VERDICT one of these, and 0 if there was none: */
#define HC_VERDICT_RETRY 1      /* HC_DefaultPolicy() about HC_NORMALFAIL */
#define HC_VERDICT_ROLLBACK 2   /* HC_RollBackCurrent() */
#define HC_VERDICT_PREVIOUS 3   /* HC_RollBackPrev() */
#define HC_VERDICT_GOTO 4       /* HC_GoTo(), or HC_DefaultPolicy() with a node */
#define HC_VERDICT_FINISH 5     /* HC_Finish(), or HC_DefaultPolicy() with node 0 */
#define HC_VERDICT_FAIL 6       /* HC_Fail() */
    long data;
    unsigned attempt;       /* as HC_Attempt() */
} HC_Observation_t;

/* Must not leave by longjmp(), an exception or pthread_exit(). */
typedef void (*HC_Observer_t)(void *argument, const HC_Observation_t *observation);

/* Makes `observer` be told of everything that happens in later runs; NULL for nobody. Returns HC_OK, HC_NOSEQUENCE or HC_BUSY. */
int HC_SetObserver(HC_Sequence_t *sequence, HC_Observer_t observer, void *argument);

/*
 * For tests: makes the `nth` call from now on of a node's function fail with `data` in place of running. `kind` is HC_NORMALFUNC
 * or HC_ROLLBACKFUNC; an `nth` of 0 counts as 1.
 *
 * Returns HC_OK, HC_NOSEQUENCE, HC_BUSY, HC_NONODE or HC_BADARGUMENT.
 */
int HC_InjectFailure(HC_Sequence_t *sequence, int node, int kind, unsigned nth, long data);

#ifdef __cplusplus
}
#endif

#endif
