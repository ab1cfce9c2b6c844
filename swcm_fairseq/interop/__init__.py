"""Encoders and checkpoints in other formats: conversion, larger and smaller vocabularies, rows of new pieces."""
