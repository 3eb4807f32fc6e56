"""A stand-in for the marketplace's seller API, on real sockets: the rules, the limits and, when asked, the faults.

A product of its own. It shares no code with the adapter that talks to the marketplace, so that each can prove the
other wrong. Facts are taken from the marketplace's OpenAPI document (2.27.0 with the units part of 2.44.0); where the
document is silent, the module says which behaviour was chosen.

=============  =======================================================================================  ======
reference      storefronts, currencies, ceilings, enums                                                 pure
chance         seeded draws                                                                             pure
catalogue      products and units, their indexes, the generator                                         pure
signature      who calls: required headers, clock window, HMAC                                          pure
window         one seller's sliding second                                                              pure
problems       refusals as bodies                                                                       pure
rules          what each endpoint demands of its query and body                                         pure
market         what each endpoint does to the catalogue                                                 pure
faults         what is to go wrong, and for which call                                                  pure
journal        every call and every change, and questions about them                                    pure
exchange       a request and an answer, between the sockets and the rules                               pure
api            one request from arrival to plan: signature, window, fault, endpoint                     pure
scenario       the TOML file                                                                            edge
control        ``/_simulator/...``, for tests and for people                                            edge
server         sockets, and delivering an answer in the manner a fault asks for                         edge
simulator      a server in a thread of its own                                                          edge
=============  =======================================================================================  ======
"""
