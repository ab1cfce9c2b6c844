"""Log records that are filtered out, while all others remain."""

import logging

import pytest
from omegaconf import OmegaConf

from swcm_fairseq.log_filters import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_only_the_configuration_is_left_out(command, caplog):
    logger = logging.getLogger(f"fairseq_cli.{command}")
    with caplog.at_level("INFO"):
        logger.info(OmegaConf.create({"common": {"seed": 1}}))
        logger.info("epoch 1")
        logger.info({"a": 1})
    assert caplog.messages == ["epoch 1", "{'a': 1}"]


def test_of_a_trainings_configuration_its_end_is_kept(caplog):
    with caplog.at_level("INFO"):
        config = OmegaConf.create({"optimization": {"max_epoch": 8, "max_update": 0}})
        logging.getLogger("fairseq_cli.train").info(config)
        logging.getLogger("fairseq_cli.generate").info(config)
    assert caplog.messages == ["--max-epoch 8 --max-update 0 (0: no limit)"]
