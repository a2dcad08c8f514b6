# SPDX-License-Identifier: MIT
# Turns what is plain in the headers into what Doxygen renders, line by line. See Doxyfile.in.

# The first comment that is for Doxygen becomes the page that one comes to, or one beside it.
1s,.*,/** @file */,
2,/^\/\*\*$/s,^/\*\*$,/** @mainpage libcachetools,
/^#ifndef CACHETOOLS_REDIS_H/,/@mainpage/s,@mainpage.*,@page redis libcachetools-redis,

# Conventions: a word, and what holds.
2,/^#include/s,^ \* ([A-Z][a-z]+\.) +, * - **\1** ,

# "---- Statuses ----" begins a group, and ends the one before. A plain comment on the next line
# describes the group; the hold space says so until that comment ends.
/^\/\* -{4} .* -+ \*\/$/{
  s,^/\* -+ (.*[^-]) -+ \*/$,\1,
  h
  s,[^A-Za-z],,g
  G
  s,(.*)\n(.*),/** @} */ /** @defgroup \1 \2,
  s,^/\*\* @\} \*/ (.* (Statuses|Options of a tier)),\1,
  x
  s,.*,,
  x
  N
  s,\n$, */ /** @{ */\n,
  /\n\/\*$/{
    s,\n/\*$,\n *,
    x
    s,.*,described,
    x
  }
}
/^ \*\/$/{
  x
  /described/{
    s,.*,,
    x
    s,$, /** @{ */,
    x
  }
  x
}
/^#endif \/\* CACHETOOLS_(REDIS_)?H/i\
/** @} */

# Not commands.
s,password@host,password\\@host,g

# What every function says in the same words.
s,^ \* (Ownership|Threads|Callbacks|Cost): +, * - **\1:** ,
s,@param( +)([a-z_]+ +)\[out\] ,@param[out]\1\2,

# Names become links, which must lead somewhere; but not in the example of the first comment.
/CONVENTIONS/,${
  /^( \*|\/\*\*|   \*) /s,\<(ct_[a-z_]*[a-z]|CT_[A-Z0-9_]*[A-Z0-9])\>,#\1,g
}
