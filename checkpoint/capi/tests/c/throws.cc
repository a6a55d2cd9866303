// A C++ client: what its functions throw comes out of HC_CallSequence, and the sequence can be called again.
#include "checkpoint.h"

#include <cstdio>
#include <stdexcept>

static int attempts;

extern "C" int throws(HC_Sequence_t *sequence, void *)
{
    if (++attempts == 1)
        throw std::runtime_error("thrown by a node");
    return HC_NormalSuccess(sequence, 0);
}

extern "C" int policy(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data)
{
    if (attempts == 2 && event == HC_NORMALSUCCESS) {
        attempts++;
        throw 17;
    }
    return HC_DefaultPolicy(sequence, userdata, event, policy_data);
}

template <typename Function> static void *function(Function function)
{
    return reinterpret_cast<void *>(function);
}

int main()
{
    HC_NodelistNode_t list[] = {
        { 1, HC_NORMALFUNC, function(throws) },
        { 1, HC_POLICYFUNC, function(policy) },
        { 0, HC_LISTEND, nullptr },
    };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    try {
        HC_CallSequence(sequence, nullptr, 1);
    } catch (const std::runtime_error &error) {
        std::puts(error.what());
    }
    try {
        HC_CallSequence(sequence, nullptr, 1);
    } catch (int thrown) {
        std::printf("%d\n", thrown);
    }
    std::puts(HC_Strerror(HC_CallSequence(sequence, nullptr, 1)));
    HC_DeleteSequence(sequence);
}
